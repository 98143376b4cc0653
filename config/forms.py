from django.forms.renderers import TemplatesSetting


class FormRenderer(TemplatesSetting):
    """Every form of the product looks alike, allauth's included: `{{ form }}` is all a page writes."""

    form_template_name = "forms/form.html"
    field_template_name = "forms/field.html"

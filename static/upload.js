// A file field with data-most-bytes says before anything is sent that a file is too large.
document.addEventListener("change", (event) => {
  const field = event.target.closest("input[type=file][data-most-bytes]");
  if (!field) return;
  const isTooLarge = [...field.files].some((file) => file.size > Number(field.dataset.mostBytes));
  field.setCustomValidity(isTooLarge ? field.dataset.tooLarge : "");
  field.reportValidity();
});

// A button with data-copy="<id of a text field>" copies that field and says so in the element after it, in that element's words.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const field = document.getElementById(button.dataset.copy);
  const status = button.parentElement.querySelector("[role=status]");
  try {
    await navigator.clipboard.writeText(field.value);
    status.textContent = status.dataset.copied || "Copied.";
  } catch {
    field.focus();
    field.select();
    status.textContent = status.dataset.byHand || "Press Ctrl+C (or ⌘C) to copy the marked text.";
  }
});

// The calendar's planned sessions: a click opens the date dialog, dragging moves one along its row,
// Alt with an arrow key moves the focused one by a day. Without this, the link leads to the same form as a page.
const dialog = document.getElementById("move-dialog");
const form = dialog.querySelector("form");

const shifted = (day, by) => {
  const date = new Date(`${day}T00:00:00Z`);
  date.setUTCDate(date.getUTCDate() + by);
  return date.toISOString().slice(0, 10);
};

const move = (session, day) => {
  if (day === session.dataset.day) return;
  form.action = session.dataset.move;
  form.elements.on.value = day;
  form.submit();
};

const ask = (session) => {
  form.action = session.dataset.move;
  form.elements.on.value = session.dataset.day;
  dialog.querySelector("h2").textContent = session.dataset.name;
  dialog.querySelector("[data-open]").href = session.dataset.open;
  dialog.showModal();
};

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-close]")) return dialog.close();
  if (event.target.closest("[data-print]")) return window.print();
  const session = event.target.closest("[data-move]");
  if (!session || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  ask(session);
});

document.addEventListener("keydown", (event) => {
  const session = event.target.closest("[data-move]");
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!session || !by || !event.altKey) return;
  event.preventDefault();
  move(session, shifted(session.dataset.day, by));
});

let dragged = null;
const target = (event) => {
  const cell = event.target.closest("td[data-day]");
  return dragged && cell && cell.dataset.row === dragged.closest("td").dataset.row ? cell : null;
};
const unmark = () => document.querySelectorAll("td.over").forEach((cell) => cell.classList.remove("over"));

document.addEventListener("dragstart", (event) => {
  dragged = event.target.closest("[data-move]");
  if (dragged) event.dataTransfer.effectAllowed = "move";
});
document.addEventListener("dragover", (event) => {
  const cell = target(event);
  unmark();
  if (!cell) return;
  event.preventDefault();
  cell.classList.add("over");
});
document.addEventListener("drop", (event) => {
  const cell = target(event);
  unmark();
  if (!cell) return;
  event.preventDefault();
  move(dragged, cell.dataset.day);
});
document.addEventListener("dragend", () => {
  dragged = null;
  unmark();
});

document.querySelectorAll("[data-print]").forEach((button) => { button.hidden = false; });
const box = document.querySelector(".table-box");
const today = document.querySelector(".calendar.month th.today");
if (box && today) box.scrollLeft = today.offsetLeft - box.clientWidth / 2;
if (location.hash.startsWith("#s-")) document.getElementById(location.hash.slice(1))?.focus();

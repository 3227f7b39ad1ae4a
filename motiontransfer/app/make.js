// Examples, the part of a film by two handles, a person by a click, and pictures to choose from.
const told = (data) => trigger("click", data);

function handles(moved) {
  const [start, end] = element.querySelectorAll(".strip input");
  const least = Number(start.max) / 50;
  if (moved === start) start.value = Math.min(start.value, end.value - least);
  if (moved === end) end.value = Math.max(end.value, Number(start.value) + least);
  const strip = start.closest(".strip");
  strip.style.setProperty("--from", `${100 * start.value / start.max}%`);
  strip.style.setProperty("--to", `${100 * end.value / end.max}%`);
  strip.querySelector("output").textContent =
    `${Number(start.value).toFixed(1)} s to ${Number(end.value).toFixed(1)} s`;
  return [Number(start.value), Number(end.value)];
}

element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.film) told({ film: button.dataset.film });
  if (button.dataset.like) {
    button.setAttribute("aria-pressed", "true");
    told({ like: button.dataset.like });
  }
  if (button.dataset.does === "change") told({ change: true });
  if (button.dataset.person) {
    for (const each of element.querySelectorAll("[data-person]")) {
      each.setAttribute("aria-pressed", String(each === button));
    }
    told({ person: button.dataset.person.split(" ").map(Number) });
  }
});
element.addEventListener("input", (event) => { if (event.target.type === "range") handles(event.target); });
element.addEventListener("change", (event) => {
  if (event.target.type === "range") told({ trim: handles(event.target) });
  if (event.target.type === "radio") told({ [event.target.name]: event.target.value });
});

// A click on a card tells its name. The dance follows the result: a slider wipes from one to the other.
const find = (what) => element.querySelector(what);
const players = () => [find("video.made"), find("video.dance")].filter(Boolean);

function follow(made, dance) {
  if (!dance) return;
  if (Math.abs(dance.currentTime - made.currentTime) > 0.08) dance.currentTime = made.currentTime;
  if (!made.paused && dance.paused && !dance.ended) dance.play().catch(() => {});
  if (made.paused && !dance.paused) dance.pause();
}

function told() {
  const [made, dance] = players();
  follow(made, dance);
  const play = find("[data-does=play]");
  play.textContent = made.paused ? "Play" : "Pause";
  if (made.duration) find("[data-does=seek]").value = 1000 * made.currentTime / made.duration;
}

const does = {
  name: (card) => trigger("click", { name: card.dataset.name }),
  play: () => { const [made] = players(); made.paused ? made.play() : made.pause(); },
  sound: (button) => {
    const [made] = players();
    made.muted = !made.muted;
    button.setAttribute("aria-pressed", String(!made.muted));
  },
  wipes: (button) => {
    const wipes = find(".pair").classList.toggle("wipe");
    button.setAttribute("aria-pressed", String(wipes));
  },
};
element.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-does]");
  if (button) does[button.dataset.does](button);
});
element.addEventListener("input", (event) => {
  const [made] = players();
  if (event.target.dataset.does === "wipe") find(".pair").style.setProperty("--at", `${event.target.value}%`);
  if (event.target.dataset.does === "seek" && made.duration) made.currentTime = made.duration * event.target.value / 1000;
});
for (const name of ["play", "pause", "timeupdate", "seeked"]) {
  element.addEventListener(name, (event) => { if (event.target.matches("video.made")) told(); }, true);
}

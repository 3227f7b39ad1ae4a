// Ties the page together: videos out of the file, the controls, the keyboard, the curves.

const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const dock = byId("dock");
const scrubber = byId("scrubber");

function blobAddress(name) {
  const text = atob(byId(`video-${name}`).textContent.trim());
  const bytes = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
  return URL.createObjectURL(new Blob([bytes], { type: "video/mp4" }));
}

const panels = [...document.querySelectorAll(".panel")];
const videoOf = new Map(panels.map((panel) => [panel.dataset.panel, panel.querySelector("video")]));
for (const [name, video] of videoOf) video.src = blobAddress(name);
const master = videoOf.get(dock.dataset.master);
const player = new Player([...videoOf.values()], master, data);

// Controls

function press(button, pressed) {
  button.setAttribute("aria-pressed", String(pressed));
}

function showIcon(button, name) {
  button.querySelector("use").setAttribute("href", `#icon-${name}`);
}

scrubber.max = data.frames - 1;
scrubber.addEventListener("input", () => player.seek(Number(scrubber.value)));
byId("play").addEventListener("click", () => player.toggle());
byId("back").addEventListener("click", () => player.step(-1));
byId("forward").addEventListener("click", () => player.step(1));
byId("speed").addEventListener("change", (event) => player.setSpeed(Number(event.target.value)));
byId("loop").addEventListener("click", (event) => {
  player.loop = !player.loop;
  press(event.currentTarget, player.loop);
});
byId("sound")?.addEventListener("click", (event) => {
  master.muted = !master.muted;
  press(event.currentTarget, !master.muted);
  showIcon(event.currentTarget, master.muted ? "silent" : "sound");
});
for (const video of videoOf.values()) video.addEventListener("click", () => player.toggle());
for (const button of document.querySelectorAll("[data-toggle]")) {
  button.addEventListener("click", () => {
    const panel = panels.find((item) => item.dataset.panel === button.dataset.toggle);
    panel.hidden = !panel.hidden;
    press(button, !panel.hidden);
    arrangeThumbs();
  });
}
for (const button of document.querySelectorAll(".worst")) {
  button.addEventListener("click", () => {
    player.pause();
    player.seek(Number(button.dataset.frame));
  });
}

document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest("select")) return;
  const stride = event.shiftKey ? 10 : 1;
  const actions = {
    ArrowLeft: () => player.step(-stride),
    ArrowRight: () => player.step(stride),
    Home: () => player.step(-data.frames),
    End: () => player.step(data.frames),
    " ": () => player.toggle(),
  };
  const ownKeys = event.target.closest("button, summary, a") ? [" "] : [];
  const scrolls = event.target.closest(".scroll, .strip") ? ["ArrowLeft", "ArrowRight"] : [];
  const pageKeys = event.target === scrubber ? [] : ["Home", "End"];
  if (!(event.key in actions) || [...ownKeys, ...scrolls, ...pageKeys].includes(event.key)) return;
  event.preventDefault();
  actions[event.key]();
});

// What follows the frame

const thumbs = new Map();
const charts = new Map();

function arrangeThumbs() {
  thumbs.clear();
  for (const panel of panels.filter((item) => !item.hidden)) {
    const canvas = document.createElement("canvas");
    const video = videoOf.get(panel.dataset.panel);
    canvas.width = video.getAttribute("width");
    canvas.height = video.getAttribute("height");
    canvas.classList.toggle("of-master", video === master);
    thumbs.set(video, canvas);
  }
  byId("thumbs").replaceChildren(...thumbs.values());
  drawThumbs();
}

function drawThumbs() {
  if (!dock.classList.contains("stuck")) return;
  for (const [video, canvas] of thumbs) {
    if (video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA) {
      canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
    }
  }
}

function showFrame() {
  const seconds = (player.frame / data.rate).toFixed(2);
  scrubber.value = player.frame;
  scrubber.setAttribute("aria-valuetext", `frame ${player.frame} of ${data.frames - 1}, ${seconds} seconds`);
  byId("clock").textContent = `frame ${player.frame} of ${data.frames - 1} · ${seconds} s`;
  for (const chart of charts.values()) {
    chart.now = player.frame;
    chart.mark();
  }
  for (const button of document.querySelectorAll(".worst")) {
    button.classList.toggle("current", Number(button.dataset.frame) === player.frame);
  }
}

function showState() {
  const button = byId("play");
  button.setAttribute("aria-label", player.playing ? "Pause" : "Play");
  showIcon(button, player.playing ? "pause" : "play");
}

player.addEventListener("frame", showFrame);
player.addEventListener("painted", drawThumbs);
player.addEventListener("state", showState);

new IntersectionObserver(([entry]) => {
  dock.classList.toggle("stuck", !entry.isIntersecting && entry.boundingClientRect.top < 0);
  drawThumbs();
}).observe(byId("dock-mark"));

// Curves: the pointer reads them, a click or a drag moves the videos

function connect(chart) {
  const { svg } = chart;
  const move = (event) => {
    chart.here = chart.positionAt(event.clientX);
    if (event.buttons & 1) player.seek(chart.here);
    chart.mark();
  };
  svg.addEventListener("pointermove", move);
  svg.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    player.pause();
    if (event.pointerType !== "touch") svg.setPointerCapture(event.pointerId);
    move(event);
  });
  svg.addEventListener("pointerleave", () => { chart.here = null; chart.mark(); });
}

for (const figure of document.querySelectorAll(".chart")) {
  const chart = new Chart(figure, data.charts.find((item) => item.key === figure.dataset.chart));
  charts.set(figure.dataset.chart, chart);
  connect(chart);
}

// A page may be opened at a frame: report.html#frame=86
const asked = /^#frame=(\d+)$/.exec(location.hash);
arrangeThumbs();
player.seek(asked ? Number(asked[1]) : 0);

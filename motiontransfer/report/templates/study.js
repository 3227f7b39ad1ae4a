"use strict";
// One participant's way through the pairs. The page knows clips by number only.
const element = (id) => document.getElementById(id);
const content = JSON.parse(element("content").textContent);
const videos = [element("video-1"), element("video-2")];
const buttons = [element("choose-1"), element("choose-2"), element("replay")];

// A number in place of a name: from the address (study.html#p=17), else drawn.
const random = () => crypto.getRandomValues(new Uint32Array(1))[0];
const participant = /^#p=([\w-]{1,40})$/.exec(location.hash)?.[1] ?? String(random());
const shuffled = (items) =>
  items.map((item) => [random(), item]).sort(([first], [second]) => first - second).map(([, item]) => item);
const order = shuffled(Object.keys(content.pairs));
const answers = [];
let clips = []; // numbers of the two on the screen
let ended = new Set(); // sides that have played to their end

function show(name) {
  for (const section of ["welcome", "trial", "done", "failed"]) element(section).hidden = section !== name;
}

async function showPair() {
  clips = shuffled(content.pairs[order[answers.length]]);
  ended = new Set();
  element("progress").textContent = `Pair ${answers.length + 1} of ${order.length}`;
  element("hint").textContent = "Watch both videos to the end …";
  for (const button of buttons) button.disabled = true;
  await Promise.all(videos.map((video, side) => new Promise((resolve) => {
    video.addEventListener("canplaythrough", resolve, { once: true });
    const bytes = Uint8Array.from(atob(content.clips[clips[side]]), (letter) => letter.charCodeAt(0));
    URL.revokeObjectURL(video.src);
    video.src = URL.createObjectURL(new Blob([bytes], { type: "video/mp4" }));
  })));
  await play();
}

// Both from the beginning, together.
async function play() {
  for (const video of videos) video.currentTime = 0;
  await Promise.all(videos.map((video) => video.play())).catch(() => {
    element("hint").textContent = "Press the button to play.";
    element("replay").disabled = false;
  });
}

function choose(side) {
  answers.push({ pair: order[answers.length], chosen: clips[side] });
  if (answers.length < order.length) return showPair();
  const file = { format: content.format, study: content.study, participant, answers };
  const blob = new Blob([`${JSON.stringify(file, null, 2)}\n`], { type: "application/json" });
  Object.assign(element("save"), { href: URL.createObjectURL(blob), download: `answers-${participant}.json` });
  show("done");
}

videos.forEach((video, side) => {
  video.onended = () => {
    if (ended.add(side).size < videos.length) return;
    for (const button of buttons) button.disabled = false;
    element("hint").textContent = "";
  };
  video.onerror = () => show("failed");
});
element("choose-1").onclick = () => choose(0);
element("choose-2").onclick = () => choose(1);
element("replay").onclick = play;
element("consent").onchange = (event) => { element("start").disabled = !event.target.checked; };
element("start").onclick = () => {
  show("trial");
  showPair();
};
addEventListener("keydown", (event) => {
  const name = { 1: "choose-1", 2: "choose-2", " ": "replay" }[event.key];
  if (element("trial").hidden || event.repeat || !name) return;
  event.preventDefault();
  element(name).click(); // which does nothing while it is disabled
});
addEventListener("beforeunload", (event) => {
  if (answers.length && !element("save").download) event.preventDefault(); // asks whether to leave
});

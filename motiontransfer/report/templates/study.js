"use strict";
// One participant's way through the pairs. The page knows clips by number only.
const content = JSON.parse(document.getElementById("content").textContent);
const element = (id) => document.getElementById(id);
const sections = ["welcome", "trial", "done", "failed"];
const videos = [element("video-1"), element("video-2")];
const choices = [element("choose-1"), element("choose-2")];

// A number in place of a name: from the address (study.html#p=17), else drawn.
const given = /^#p=([\w-]{1,40})$/.exec(location.hash);
const participant = given ? given[1] : hex(crypto.getRandomValues(new Uint8Array(6)));
const random = generator(content.study + participant);
const order = shuffled(Object.keys(content.pairs).sort());
const answers = [];
let unsaved = false;
let shown = null; // the pair on the screen: its clips' numbers, when they began, what was seen

function hex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// FNV-1a of the text seeds mulberry32: the same participant always gets the same order.
function generator(text) {
  let state = 0x811c9dc5;
  for (const letter of text) state = Math.imul(state ^ letter.codePointAt(0), 0x01000193);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

function shuffled(items) {
  const result = [...items];
  for (let last = result.length - 1; last > 0; last -= 1) {
    const other = Math.floor(random() * (last + 1));
    [result[last], result[other]] = [result[other], result[last]];
  }
  return result;
}

function show(name) {
  for (const section of sections) element(section).hidden = section !== name;
}

function blobOf(number) {
  const bytes = Uint8Array.from(atob(content.clips[number]), (letter) => letter.charCodeAt(0));
  return new Blob([bytes], { type: "video/mp4" });
}

function allow(answer) {
  for (const button of [...choices, element("replay")]) button.disabled = !answer;
  element("hint").textContent = answer ? "" : "Watch both videos to the end …";
}

async function showPair() {
  const pair = order[answers.length];
  shown = { pair, clips: shuffled(content.pairs[pair]), ended: new Set(), began: 0, replays: 0, open: false };
  element("progress").textContent = `Pair ${answers.length + 1} of ${order.length}`;
  element("bar").value = answers.length;
  allow(false);
  videos.forEach((video, side) => {
    URL.revokeObjectURL(video.src);
    video.src = URL.createObjectURL(blobOf(shown.clips[side]));
  });
  await Promise.all(videos.map(ready));
  shown.began = performance.now();
  await play();
}

function ready(video) {
  return new Promise((resolve) => {
    if (video.readyState >= HTMLMediaElement.HAVE_ENOUGH_DATA) resolve();
    else video.addEventListener("canplaythrough", resolve, { once: true });
  });
}

// Both from the beginning, together.
async function play() {
  shown.ended.clear();
  for (const video of videos) video.currentTime = 0;
  await Promise.all(videos.map((video) => video.play())).catch(() => {
    element("hint").textContent = "Press the button to play.";
    element("replay").disabled = false;
  });
}

function replay() {
  if (element("replay").disabled) return;
  if (shown.open) shown.replays += 1;
  play();
}

function choose(side) {
  if (!shown?.open) return;
  const [first, second] = shown.clips;
  const seconds = Math.round(performance.now() - shown.began) / 1000;
  answers.push({ pair: shown.pair, first, second, chosen: shown.clips[side], seconds, replays: shown.replays });
  shown.open = false;
  if (answers.length < order.length) showPair();
  else finish();
}

function finish() {
  const file = {
    format: content.format,
    study: content.study,
    participant,
    window: [innerWidth, innerHeight],
    answers,
  };
  const link = element("save");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(file, null, 2) + "\n"], { type: "application/json" }));
  link.download = `answers-${participant}.json`;
  show("done");
  link.focus();
}

videos.forEach((video, side) => {
  video.addEventListener("ended", () => {
    shown?.ended.add(side);
    if (shown?.ended.size === videos.length && !shown.open) {
      shown.open = true;
      allow(true);
    }
  });
  video.addEventListener("error", () => {
    if (video.src) show("failed");
  });
});
choices.forEach((button, side) => button.addEventListener("click", () => choose(side)));
element("replay").addEventListener("click", replay);
element("consent").addEventListener("change", (event) => {
  element("start").disabled = !event.target.checked;
});
element("start").addEventListener("click", () => {
  unsaved = true;
  show("trial");
  showPair();
});
element("save").addEventListener("click", () => {
  unsaved = false;
  element("saved").textContent = `Saved as ${element("save").download}. You may close this page.`;
});
addEventListener("keydown", (event) => {
  if (element("trial").hidden || event.ctrlKey || event.metaKey || event.altKey) return;
  const side = { 1: 0, ArrowLeft: 0, ArrowUp: 0, 2: 1, ArrowRight: 1, ArrowDown: 1 }[event.key];
  if (event.repeat || (side === undefined && event.key !== " ")) return;
  event.preventDefault();
  if (side === undefined) replay();
  else choose(side);
});
addEventListener("beforeunload", (event) => {
  if (unsaved) event.preventDefault(); // asks whether to leave
});

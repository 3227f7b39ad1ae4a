// Film oneself striking poses: the camera mirrored, what the coach draws over it, the recording.
// The pictures go to the server of this page, on the same machine; the recording stays in the page
// until it is added.
async () => {
  const guide = document.querySelector("[data-guide]")?.dataset.guide
  const stage = document.getElementById("film"), [video, canvas] = stage.querySelectorAll("video, canvas")
  const told = stage.querySelector(".told"), ticks = stage.querySelector(".ticks")
  const page = Math.random().toString(36), small = document.createElement("canvas")
  const say = sentences => { told.textContent = sentences.join(" · ") }
  if (!guide) return say(["choose a dance and prepare it first"])
  window.filming?.stop()
  let stream
  try {
    const size = {width: {ideal: 1920}, height: {ideal: 1080}}
    stream = await navigator.mediaDevices.getUserMedia({video: size})
  } catch (error) {
    return say(["this browser gives no camera: " + error.message])
  }
  const types = ["video/mp4;codecs=avc1", "video/webm;codecs=vp9", "video/webm"]
  const type = types.find(MediaRecorder.isTypeSupported), chunks = []
  const recorder = new MediaRecorder(stream, {mimeType: type, videoBitsPerSecond: 2e7})
  recorder.ondataavailable = ({data}) => chunks.push(data)
  let isOn = true
  window.filming = {
    file: null,
    stop: () => new Promise(done => {
      if (!isOn) return done()
      isOn = false
      recorder.onstop = () => {
        const suffix = type.includes("mp4") ? ".mp4" : ".webm"
        window.filming.file = new File(chunks, "me" + suffix, {type: type.split(";")[0]})
        stream.getTracks().forEach(track => track.stop())
        fit(45)
        document.body.classList.remove("filming")
        canvas.width = 0
        video.srcObject = null
        video.src = URL.createObjectURL(window.filming.file)
        video.loop = true
        video.play()
        say([(window.filming.file.size / 1e6).toFixed(1) + " MB are recorded: add them as a film"])
        done()
      }
      recorder.stop()
    }),
  }
  video.srcObject = stream
  await video.play()
  const fit = (height) => { stage.style.maxWidth = `${height * video.videoWidth / video.videoHeight}vh` }
  fit(67)
  document.body.classList.add("filming")
  recorder.start(1000)

  function stroke(context, lines, color, widen) {
    for (const [x0, y0, x1, y1, radius, isGood] of lines) {
      context.strokeStyle = color(isGood)
      context.lineWidth = widen(radius)
      context.beginPath()
      context.moveTo(x0, y0)
      context.lineTo(x1, y1)
      context.stroke()
    }
  }

  function draw({size: [height, width], outline, figure}) {
    canvas.width = width
    canvas.height = height
    const context = canvas.getContext("2d")
    context.lineCap = "round"
    const good = isGood => isGood ? "#3ddc84" : "#fff"
    stroke(context, outline, good, radius => 2 * radius + 6)
    context.globalCompositeOperation = "destination-out"
    stroke(context, outline, () => "#000", radius => 2 * radius)
    context.globalCompositeOperation = "source-over"
    stroke(context, figure, isGood => isGood ? "#3ddc84" : "#ff9f1c", () => 3)
  }

  async function look() {
    small.width = Math.round(video.videoWidth * (small.height = 480) / video.videoHeight)
    small.getContext("2d").drawImage(video, 0, 0, small.width, small.height)
    const body = await new Promise(done => small.toBlob(done, "image/jpeg", 0.85))
    const answer = await fetch(`coach?page=${page}&guide=${encodeURIComponent(guide)}`, {method: "POST", body})
    const seen = await answer.json()
    if (!isOn) return
    say(seen.told)
    if (!seen.size) return new Promise(done => setTimeout(done, 500))
    draw(seen)
    ticks.replaceChildren(...seen.ticks.map((isDone, number) => {
      const tick = document.createElement("span")
      tick.textContent = isDone ? "✓" : number + 1
      tick.className = isDone ? "done" : number === seen.pose ? "now" : ""
      return tick
    }))
  }

  ;(async () => {
    while (isOn) {
      try {
        await look()
      } catch (error) {
        say(["the server does not answer: " + error.message])
        await new Promise(done => setTimeout(done, 1000))
      }
    }
  })()
}

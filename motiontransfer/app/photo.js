// A photo of the camera's picture after a countdown, as a JPEG in a data URL; empty without a camera.
async () => {
    const shown = document.createElement("div"), left = document.createElement("b")
    const video = document.createElement("video")
    shown.className = "countdown"
    shown.append(video, left)
    let stream = null
    try {
        stream = await navigator.mediaDevices.getUserMedia({video: {height: {ideal: 1080}}})
        video.srcObject = stream
        document.body.append(shown)
        await video.play()
        for (let seconds = %d; seconds > 0; seconds--) {
            left.textContent = seconds
            await new Promise(done => setTimeout(done, 1000))
        }
        const canvas = document.createElement("canvas")
        canvas.width = video.videoWidth
        canvas.height = video.videoHeight
        canvas.getContext("2d").drawImage(video, 0, 0)
        return canvas.toDataURL("image/jpeg", 0.95)
    } catch (error) {
        return ""
    } finally {
        shown.remove()
        stream?.getTracks().forEach(track => track.stop())
    }
}

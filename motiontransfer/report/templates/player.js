// Videos in step: one frame number for all of them, paused or playing.
//
// A still frame is exact: each video is put into the middle of that frame's time. While playing, one
// video, the master, is the clock; the others are slowed down or hurried a little to stay with it.

const SEEK_BEYOND_SECONDS = 0.3;

class Player extends EventTarget {
  constructor(videos, master, { frames, rate }) {
    super();
    this.videos = videos;
    this.master = master;
    this.frames = frames;
    this.rate = rate;
    this.frame = 0;
    this.speed = 1;
    this.loop = true;
    this.playing = false;
    this.waiting = new Set();
    for (const video of videos) {
      video.addEventListener("seeked", () => this.#settled(video));
      video.addEventListener("loadeddata", () => this.#aim(video));
    }
    master.addEventListener("ended", () => this.#ended());
    this.#watch();
  }

  seek(frame) {
    this.frame = Math.min(Math.max(Math.round(frame), 0), this.frames - 1);
    this.videos.forEach((video) => this.#aim(video));
    this.#notify("frame");
  }

  step(count) {
    this.pause();
    this.seek(this.frame + count);
  }

  async play() {
    if (this.playing) return;
    this.playing = true;
    this.#notify("state");
    if (this.frame >= this.frames - 1) this.seek(0);
    this.videos.forEach((video) => { video.playbackRate = this.speed; });
    await this.#start();
  }

  pause() {
    if (!this.playing) return;
    this.playing = false;
    this.videos.forEach((video) => video.pause());
    this.seek(this.frame);
    this.#notify("state");
  }

  toggle() {
    return this.playing ? this.pause() : this.play();
  }

  setSpeed(speed) {
    this.speed = speed;
    this.videos.forEach((video) => { video.playbackRate = speed; });
  }

  async #start() {
    try {
      await Promise.all(this.videos.map((video) => video.play()));
    } catch (error) {
      // Pausing before a video has begun to play is no fault.
      if (error.name !== "AbortError") this.pause();
    }
  }

  // A video that is still on its way takes the newest frame once it has arrived: scrubbing stays quick.
  #aim(video) {
    if (video.readyState < HTMLMediaElement.HAVE_METADATA) return;
    if (video.seeking) {
      this.waiting.add(video);
      return;
    }
    // Always a seek: a video that has just been paused may show a later frame than its clock says.
    video.currentTime = (this.frame + 0.5) / this.rate;
  }

  #settled(video) {
    if (this.waiting.delete(video) && !this.playing) this.#aim(video);
    this.#notify("painted");
  }

  #watch() {
    const follow = (_now, painted) => {
      if (this.playing && !this.master.seeking) {
        const seconds = painted ? painted.mediaTime : this.master.currentTime - 0.5 / this.rate;
        this.frame = Math.min(Math.max(Math.round(seconds * this.rate), 0), this.frames - 1);
        this.#keepTogether();
        this.#notify("frame");
        this.#notify("painted");
      }
      again();
    };
    const again = () => (this.master.requestVideoFrameCallback
      ? this.master.requestVideoFrameCallback(follow)
      : requestAnimationFrame(() => follow()));
    again();
  }

  #keepTogether() {
    for (const video of this.videos) {
      if (video === this.master || video.seeking) continue;
      const ahead = video.currentTime - this.master.currentTime;
      if (Math.abs(ahead) > SEEK_BEYOND_SECONDS) {
        video.currentTime = this.master.currentTime;
        video.playbackRate = this.speed;
      } else {
        const hurry = Math.abs(ahead) < 0.25 / this.rate ? 0 : Math.max(-0.3, Math.min(0.3, -4 * ahead));
        video.playbackRate = this.speed * (1 + hurry);
      }
      if (video.paused && !video.ended) video.play().catch(() => {});
    }
  }

  async #ended() {
    if (!this.playing) return;
    if (!this.loop) {
      this.frame = this.frames - 1;
      this.pause();
      return;
    }
    this.seek(0);
    await this.#start();
  }

  #notify(name) {
    this.dispatchEvent(new Event(name));
  }
}

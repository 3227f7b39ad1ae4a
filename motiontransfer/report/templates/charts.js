// Curves over frames, drawn as SVG at the size they are shown in.

const SVG = "http://www.w3.org/2000/svg";
const MARGIN = { top: 8, right: 8, bottom: 20, left: 40 };

function element(name, attributes = {}, text = "") {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.textContent = text;
  return node;
}

function niceTicks(low, high, count) {
  const rough = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size >= rough);
  const ticks = [];
  for (let at = Math.ceil(low / step - 1e-9) * step; at <= high + step * 1e-6; at += step) ticks.push(at);
  return ticks;
}

function shortNumber(value) {
  if (value === null || value === undefined) return "–";
  return Number(value.toPrecision(3)).toString().replace("-", "−");
}

class Chart {
  constructor(figure, chart) {
    this.figure = figure;
    this.chart = chart;
    this.svg = figure.querySelector(":scope > svg");
    this.legend = figure.querySelector(".legend");
    this.now = null; // position of the frame that the videos show
    this.here = null; // position under the pointer
    const known = chart.curves.flatMap((curve) => curve.values).filter((value) => value !== null);
    const [low, high] = known.length ? [Math.min(...known), Math.max(...known)] : [0, 1];
    const margin = (high - low) * 0.06 || Math.abs(high) * 0.1 || 1;
    this.low = low >= 0 && low - margin < 0 ? 0 : low - margin;
    this.high = high + margin;
    this.readouts = chart.curves.map((curve, index) => this.#key(curve, index));
    new ResizeObserver(() => this.draw()).observe(this.svg);
  }

  get width() { return this.svg.clientWidth; }
  get height() { return this.svg.clientHeight; }
  get last() { return this.chart.curves[0].values.length - 1; }

  x(position) {
    const share = position / Math.max(this.last, 1);
    return MARGIN.left + share * (this.width - MARGIN.left - MARGIN.right);
  }

  y(value) {
    const share = (value - this.low) / (this.high - this.low);
    return this.height - MARGIN.bottom - share * (this.height - MARGIN.top - MARGIN.bottom);
  }

  positionAt(clientX) {
    const x = clientX - this.svg.getBoundingClientRect().left;
    const share = (x - MARGIN.left) / (this.width - MARGIN.left - MARGIN.right);
    return Math.round(Math.min(Math.max(share, 0), 1) * this.last);
  }

  draw() {
    if (!this.width) return;
    this.svg.setAttribute("viewBox", `0 0 ${this.width} ${this.height}`);
    this.svg.replaceChildren(...this.#axes(), ...this.chart.curves.map((curve, index) => this.#curve(curve, index)));
    this.marks = element("g");
    this.svg.append(this.marks);
    this.mark();
  }

  // The line of the frame that the videos show, the line under the pointer, and what the curves say there.
  mark() {
    const at = this.here ?? this.now ?? this.last;
    this.readouts.forEach((readout, index) => { readout.textContent = shortNumber(this.chart.curves[index].values[at]); });
    if (!this.marks || !this.width) return;
    const lines = [["now", this.now], ["here", this.here]]
      .filter(([, position]) => position !== null && position <= this.last)
      .map(([name, position]) => element("line", {
        class: name, x1: this.x(position), x2: this.x(position), y1: MARGIN.top, y2: this.height - MARGIN.bottom,
      }));
    const dots = this.chart.curves.flatMap((curve, index) => {
      const value = curve.values[at];
      return value === null || value === undefined
        ? [] : [element("circle", { class: `dot dot-${index}`, cx: this.x(at), cy: this.y(value), r: 3.6 })];
    });
    this.marks.replaceChildren(...lines, ...dots);
  }

  #axes() {
    const rows = niceTicks(this.low, this.high, 3).flatMap((value) => [
      element("line", { class: "grid", x1: MARGIN.left, x2: this.width - MARGIN.right, y1: this.y(value), y2: this.y(value) }),
      element("text", { x: MARGIN.left - 6, y: this.y(value) + 4, "text-anchor": "end" }, shortNumber(value)),
    ]);
    const columns = niceTicks(0, this.last, Math.max(2, Math.floor(this.width / 90)))
      .filter((value) => Number.isInteger(value))
      .map((value) => element("text", { x: this.x(value), y: this.height - 4, "text-anchor": "middle" }, String(value)));
    return [...rows, ...columns];
  }

  #curve(curve, index) {
    let path = "";
    let pen = "M";
    curve.values.forEach((value, at) => {
      if (value === null) { pen = "M"; return; }
      path += `${pen}${this.x(at).toFixed(1)} ${this.y(value).toFixed(1)}`;
      pen = "L";
    });
    return element("path", { class: `curve curve-${index}`, d: path });
  }

  #key(curve, index) {
    const key = document.createElement("span");
    key.className = "key";
    const swatch = element("svg", { viewBox: "0 0 24 8", "aria-hidden": "true" });
    swatch.append(element("line", { class: `curve curve-${index}`, x1: 0, x2: 24, y1: 4, y2: 4 }));
    const readout = document.createElement("b");
    key.append(swatch, curve.label, " ", readout);
    this.legend.append(key);
    return readout;
  }
}

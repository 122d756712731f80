"use strict";
// Moves a film of training: every part of the page has a function that draws it at a moment.
const film = JSON.parse(document.getElementById("film").textContent);
const scrub = document.getElementById("scrub"), play = document.getElementById("play"), now = document.getElementById("now");
const count = film.steps.length, SVG = "http://www.w3.org/2000/svg";

const bytes = text => Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
const words = text => new Uint16Array(bytes(text).buffer);
const wholes = text => new Int16Array(bytes(text).buffer);

function short(value, digits = 3) {
  const size = Math.abs(value);
  let text;
  if (size >= 1e9 || (size > 0 && size < 1e-4)) {
    const [digits, exponent] = value.toExponential(0).replace("+", "").split("e");
    text = `${digits}·10${[...exponent].map(letter => letter === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[letter]).join("")}`;
  }
  else if (size >= 1e6) text = Number((value / 1e6).toPrecision(digits)) + "M";
  else if (size >= 1e4) text = Number((value / 1e3).toPrecision(digits)) + "k";
  else text = size >= 1000 ? value.toFixed(0) : String(Number(value.toPrecision(digits)));
  return text.replaceAll("-", "−");
}

// A number with as many digits, up to three, as find room
const fitted = (value, letters) => [3, 2, 1].map(digits => short(value, digits)).find(text => text.length <= letters)
  || (Math.abs(value) < 0.01 ? "≈0" : short(value, 1));

function make(parent, name, attributes = {}, text = "") {
  const element = document.createElementNS(SVG, name);
  for (const key in attributes) element.setAttribute(key, attributes[key]);
  if (text) element.textContent = text;
  parent.append(element);
  return element;
}

function picture(parent, width, height, label) {
  return make(parent, "svg", {viewBox: `0 0 ${width} ${height}`, class: "film", role: "img", "aria-label": label});
}

const sign = value => value > 0 ? film.positive : value < 0 ? film.negative : "#8A93A0";

// The network: lines and neurons by key, beside the largest number of all moments
function network() {
  const {keys, scales, pictures} = film.diagram, values = wholes(film.diagram.values), largest = {}, parts = [];
  const group = key => key.split(":").slice(0, key[0] === "w" ? -2 : -1).join(":");
  const found = {};
  for (const element of document.querySelectorAll("#diagram [data-key]")) found[element.dataset.key] = element;
  keys.forEach((key, row) => {
    let most = 0;
    for (let moment = 0; moment < count; moment++) most = Math.max(most, Math.abs(values[row * count + moment]));
    largest[group(key)] = Math.max(largest[group(key)] || 0, most * scales[row]);
    if (found[key]) parts.push([key, row, found[key], found[key].querySelector("title")]);
  });
  const rooms = {};
  const room = key => rooms[key] ||= (2 * found["n" + key.slice(1)].getAttribute("r") - 5) / (0.58 * found[key].getAttribute("font-size"));
  for (const part of parts) if (part[3]) part.push(part[3].textContent.split("\n")[0]);
  const images = Object.entries(pictures).filter(([key]) => found[key]).map(([key, list]) => [found[key], list]);
  return moment => {
    for (const [key, row, element, title, name] of parts) {
      const value = values[row * count + moment] * scales[row], share = Math.abs(value) / (largest[group(key)] || 1);
      if (key[0] === "w") {
        element.setAttribute("stroke", sign(value));
        element.setAttribute("stroke-width", (0.5 + 4.5 * share).toFixed(2));
        element.setAttribute("stroke-opacity", (0.18 + 0.72 * share).toFixed(2));
      } else if (key[0] === "n") element.setAttribute("fill-opacity", (0.08 + 0.62 * share).toFixed(2));
      else {
        element.textContent = key[0] === "b" ? `bias ${short(value)}` : key[0] === "v" ? fitted(value, room(key)) : short(value);
        if (key[0] === "t") element.setAttribute("fill", sign(value));
      }
      if (title) title.textContent = `${name}\n${short(value)}`;
    }
    for (const [element, list] of images) element.setAttribute("href", list[moment]);
  };
}

// The loss: a click or a drag on it scrubs
function loss() {
  const width = film.answers ? 460 : 980, height = 230, left = 52, right = 12, top = 12, bottom = 30;
  const svg = picture(document.getElementById("loss"), width, height, "Loss over training");
  const known = film.losses.map((value, i) => [film.steps[i], value]).filter(pair => pair[1] !== null);
  const all = known.concat(film.validation);
  if (!all.length) { document.getElementById("loss").textContent = "No loss was recorded."; return () => {}; }
  const first = film.steps[0], last = film.steps[count - 1];
  let low = Math.min(...all.map(p => p[1])), high = Math.max(...all.map(p => p[1]));
  const log = low > 0 && high / low > 30, scale = log ? Math.log : value => value;
  if (!log) low = Math.min(low, 0);
  if (high === low) high = low + 1;
  const x = step => left + (width - left - right) * (step - first) / Math.max(last - first, 1);
  const y = value => height - bottom - (height - top - bottom) * (scale(value) - scale(low)) / (scale(high) - scale(low));
  make(svg, "path", {class: "axis", d: `M${left} ${top}V${height - bottom}H${width - right}`});
  for (let i = 0; i <= 3; i++) {
    const value = log ? low * Math.pow(high / low, i / 3) : low + (high - low) * i / 3;
    make(svg, "text", {x: left - 6, y: y(value) + 4, "text-anchor": "end"}, short(value));
    make(svg, "path", {class: "axis", "stroke-dasharray": "2 4", d: `M${left} ${y(value)}H${width - right}`});
  }
  make(svg, "text", {x: left, y: height - 10}, `step ${first}`);
  make(svg, "text", {x: width - right, y: height - 10, "text-anchor": "end"}, String(last));
  const line = pairs => "M" + pairs.map(p => `${x(p[0]).toFixed(1)} ${y(p[1]).toFixed(1)}`).join("L");
  if (known.length > 1) make(svg, "path", {d: line(known), fill: "none", stroke: film.positive, "stroke-width": 2});
  if (film.validation.length > 1) {
    make(svg, "path", {d: line(film.validation), fill: "none", stroke: film.classes[1], "stroke-width": 2, "stroke-dasharray": "5 3"});
    make(svg, "text", {x: width - right, y: top + 8, "text-anchor": "end"}, "validation dashed");
  }
  const cursor = make(svg, "path", {stroke: "currentColor", "stroke-width": 1.2});
  const dot = make(svg, "circle", {r: 5, fill: film.positive, stroke: "var(--paper)", "stroke-width": 2});
  const drag = event => {
    const box = svg.getBoundingClientRect(), at = (event.clientX - box.left) / box.width * width;
    const step = first + (at - left) / (width - left - right) * (last - first);
    let near = 0;
    film.steps.forEach((other, i) => { if (Math.abs(other - step) < Math.abs(film.steps[near] - step)) near = i; });
    show(near);
  };
  svg.style.cursor = "ew-resize";
  svg.style.touchAction = "none";
  svg.addEventListener("pointerdown", event => { svg.setPointerCapture(event.pointerId); stop(); drag(event); });
  svg.addEventListener("pointermove", event => { if (event.buttons) drag(event); });
  return moment => {
    const at = x(film.steps[moment]), value = film.losses[moment];
    cursor.setAttribute("d", `M${at} ${top}V${height - bottom}`);
    dot.setAttribute("visibility", value === null ? "hidden" : "visible");
    if (value !== null) { dot.setAttribute("cx", at); dot.setAttribute("cy", y(value)); }
  };
}

// Histograms of the weights, one for each array
function weights() {
  const parts = film.histograms.map(one => {
    const counts = bytes(one.counts), bins = counts.length / count, width = 180, height = 92, each = width / bins;
    const figure = document.createElement("figure");
    document.getElementById("weights").append(figure);
    const svg = picture(figure, width, height, `Histogram of ${one.name}`);
    const bars = Array.from({length: bins}, (_, i) => {
      const middle = one.from + (one.to - one.from) * (i + 0.5) / bins;
      return make(svg, "rect", {x: i * each + 0.5, width: Math.max(each - 1, 0.5), fill: sign(middle), "fill-opacity": 0.8});
    });
    make(svg, "path", {class: "axis", d: `M0 76H${width}`});
    make(svg, "text", {x: 0, y: 90}, short(one.from));
    make(svg, "text", {x: width, y: 90, "text-anchor": "end"}, short(one.to));
    const caption = document.createElement("figcaption");
    caption.textContent = one.name;
    figure.append(caption);
    return moment => bars.forEach((bar, i) => {
      const tall = 74 * Math.sqrt(counts[moment * bins + i] / 255);
      bar.setAttribute("y", (76 - tall).toFixed(1));
      bar.setAttribute("height", tall.toFixed(1));
    });
  });
  return moment => parts.forEach(part => part(moment));
}

// What the network answers
function answers() {
  const found = film.answers, card = document.getElementById("answers-card"), place = document.getElementById("answers");
  if (!found) { card.remove(); return () => {}; }
  return {region, curve, examples}[found.kind](found, place);
}

const channels = colour => [1, 3, 5].map(at => parseInt(colour.slice(at, at + 2), 16));

function frame(svg, found, width, height, names) {
  make(svg, "text", {x: width / 2, y: height - 4, "text-anchor": "middle"}, names[0]);
  if (names[1]) make(svg, "text", {x: 12, y: height / 2, "text-anchor": "middle", transform: `rotate(-90 12 ${height / 2})`}, names[1]);
}

function region(found, place) {
  const [rows, columns] = found.shape, width = 460, height = 300, left = 24, bottom = 22;
  const svg = picture(place, width, height, "Decisions of the network over two inputs");
  const canvas = document.createElement("canvas");
  canvas.width = columns; canvas.height = rows;
  const context = canvas.getContext("2d"), pixels = context.createImageData(columns, rows);
  const image = make(svg, "image", {x: left, y: 4, width: width - left - 4, height: height - bottom - 4, preserveAspectRatio: "none"});
  const [x0, x1, y0, y1] = found.span, size = rows * columns;
  const classes = found.classes ? bytes(found.classes) : null;
  const confidence = classes ? bytes(found.confidence) : null, values = classes ? null : bytes(found.values);
  const middle = classes ? 0 : found.from < 0 && found.to > 0 ? -found.from / (found.to - found.from) : 0.5;
  for (const [x, y, label] of found.points) {
    const colour = label === undefined ? "var(--ink)" : (classes ? film.classes[label % film.classes.length] : label > (found.from + found.to) / 2 ? film.positive : film.negative);
    const dot = make(svg, "circle", {r: 6, fill: colour, stroke: "var(--paper)", "stroke-width": 2,
      cx: left + (width - left - 4) * (x - x0) / (x1 - x0), cy: 4 + (height - bottom - 4) * (y1 - y) / (y1 - y0)});
    make(dot, "title", {}, `${found.names[0]} ${short(x)}, ${found.names[1]} ${short(y)}` + (label === undefined ? "" : `: ${label}`));
  }
  frame(svg, found, width, height, found.names);
  const colours = film.classes.map(channels), ends = [channels(film.negative), channels(film.positive)];
  return moment => {
    for (let i = 0; i < size; i++) {
      const at = moment * size + (rows - 1 - Math.floor(i / columns)) * columns + i % columns;  // the first row below
      let colour, opaque;
      if (classes) { colour = colours[classes[at] % colours.length]; opaque = 40 + 0.6 * confidence[at]; }
      else {
        const share = values[at] / 255;
        colour = ends[share > middle ? 1 : 0];
        opaque = 200 * (share > middle ? (share - middle) / (1 - middle || 1) : (middle - share) / (middle || 1));
      }
      pixels.data.set([...colour, opaque], 4 * i);
    }
    context.putImageData(pixels, 0, 0);
    image.setAttribute("href", canvas.toDataURL());
  };
}

function curve(found, place) {
  const width = 460, height = 260, left = 46, bottom = 30, values = words(found.values), places = found.shape[0];
  const svg = picture(place, width, height, "Output of the network over its input");
  const [x0, x1] = found.span, labels = found.points.map(p => p[1]).filter(v => v !== undefined);
  const low = Math.min(found.from, ...labels), high = Math.max(found.to, ...labels), reach = high - low || 1;
  const x = value => left + (width - left - 8) * (value - x0) / (x1 - x0);
  const y = value => height - bottom - (height - bottom - 10) * (value - low) / reach;
  make(svg, "path", {class: "axis", d: `M${left} 10V${height - bottom}H${width - 8}`});
  for (const value of [low, high]) make(svg, "text", {x: left - 5, y: y(value) + 4, "text-anchor": "end"}, short(value));
  for (const value of [x0, x1]) make(svg, "text", {x: x(value), y: height - 12, "text-anchor": value === x0 ? "start" : "end"}, short(value));
  for (const [at, label] of found.points)
    if (label !== undefined) make(svg, "circle", {cx: x(at), cy: y(label), r: 4, fill: film.classes[1], "fill-opacity": 0.8});
  const line = make(svg, "path", {fill: "none", stroke: film.classes[2], "stroke-width": 2.5});
  make(svg, "text", {x: width / 2, y: height - 6, "text-anchor": "middle"}, found.names[0]);
  return moment => {
    let path = "";
    for (let i = 0; i < places; i++) {
      const value = found.from + values[moment * places + i] / 65535 * (found.to - found.from);
      path += `${i ? "L" : "M"}${x(x0 + (x1 - x0) * i / Math.max(places - 1, 1)).toFixed(1)} ${y(value).toFixed(1)}`;
    }
    line.setAttribute("d", path);
  };
}

function examples(found, place) {
  const [rows, outputs] = found.shape, values = words(found.values), reach = found.to - found.from || 1;
  const single = outputs === 1, truths = single ? found.truths.map(Number) : [];
  const low = Math.min(found.from, 0, ...truths), high = Math.max(found.to, 0, ...truths), whole = high - low || 1;
  const bars = [];
  for (let row = 0; row < rows; row++) {
    const line = document.createElement("div");
    line.className = "answer";
    place.append(line);
    if (found.pictures[row]) {
      const image = document.createElement("img");
      image.src = found.pictures[row];
      image.alt = `example ${row}`;
      line.append(image);
    }
    const truth = document.createElement("span");
    truth.className = "truth";
    truth.textContent = found.truths[row] === undefined ? `example ${row}` : `true: ${single ? short(truths[row]) : found.truths[row]}`;
    line.append(truth);
    if (single) { bars.push(lying(line, row, truths[row])); continue; }
    const width = 300, height = 58, each = width / outputs, svg = picture(line, width, height, `Outputs for example ${row}`);
    const zero = 44 - 42 * (0 - low) / whole;
    make(svg, "path", {class: "axis", d: `M0 ${zero}H${width}`});
    for (let i = 0; i < outputs; i++) {
      const right = found.names[i] === found.truths[row];
      bars.push(standing(make(svg, "rect", {x: i * each + each * 0.12, width: each * 0.76, rx: 1.5, fill: right ? film.classes[2] : film.positive,
        "fill-opacity": right ? 0.95 : 0.55}), row * outputs + i, zero));
      if (outputs <= 12) make(svg, "text", {x: (i + 0.5) * each, y: 56, "text-anchor": "middle"}, found.names[i].slice(0, Math.max(2, Math.floor(each / 7))));
    }
  }
  return moment => bars.forEach(bar => bar(moment));

  function answer(moment, at) { return found.from + values[moment * rows * outputs + at] / 65535 * reach; }

  // One bar of several: upwards where positive
  function standing(bar, at, zero) {
    return moment => {
      const value = answer(moment, at), tall = 42 * Math.abs(value) / whole;
      bar.setAttribute("y", (value >= 0 ? zero - tall : zero).toFixed(1));
      bar.setAttribute("height", Math.max(tall, 0.5).toFixed(1));
    };
  }

  // A number alone: a bar to the right where positive, a mark where the true number is
  function lying(line, row, truth) {
    const width = 300, height = 30, room = 56, x = value => 4 + (width - room - 8) * (value - low) / whole;
    const svg = picture(line, width, height, `Output for example ${row}`);
    make(svg, "path", {class: "axis", d: `M${x(0)} 2V28`});
    const bar = make(svg, "rect", {y: 8, height: 14, rx: 2, fill: film.positive, "fill-opacity": 0.85});
    if (truth !== undefined) make(svg, "path", {d: `M${x(truth)} 3V27`, stroke: film.classes[2], "stroke-width": 3});
    const text = make(svg, "text", {x: width, y: 19, "text-anchor": "end"});
    return moment => {
      const value = answer(moment, row);
      bar.setAttribute("x", Math.min(x(0), x(value)).toFixed(1));
      bar.setAttribute("width", Math.max(Math.abs(x(value) - x(0)), 0.5).toFixed(1));
      text.textContent = short(value);
    };
  }
}

// Scrubbing and playing
const draws = [network(), loss(), weights(), answers()];
let moment = count - 1, timer = 0;

function show(next) {
  moment = Math.max(0, Math.min(count - 1, next));
  scrub.value = moment;
  const value = film.losses[moment];
  now.textContent = `step ${film.steps[moment].toLocaleString("en")}` + (value === null ? "" : `  ·  loss ${short(value)}`);
  scrub.setAttribute("aria-valuetext", now.textContent);
  for (const draw of draws) draw(moment);
}

function stop() {
  clearInterval(timer);
  timer = 0;
  play.textContent = "▶";
}

function start() {
  if (moment === count - 1) show(0);
  play.textContent = "❚❚";
  timer = setInterval(() => moment < count - 1 ? show(moment + 1) : stop(), Math.max(40, Math.min(200, 8000 / count)));
}

play.addEventListener("click", () => timer ? stop() : start());
scrub.addEventListener("input", () => { stop(); show(Number(scrub.value)); });
document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const keys = {ArrowLeft: moment - 1, ArrowRight: moment + 1, Home: 0, End: count - 1};
  if (event.key === " " && event.target !== play) { event.preventDefault(); play.click(); }
  else if (event.key in keys) { event.preventDefault(); stop(); show(keys[event.key]); }
});
show(count - 1);

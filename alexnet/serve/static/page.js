"use strict";

const $ = (id) => document.getElementById(id);
const state = { image: null, file: null, layers: [], layer: null, channel: 0, values: [],
  units: 0, perRow: 1, cursor: [0, 0], version: null, sent: 0, explained: null };

// -- asking the server ---------------------------------------------------------------------------

class Problem extends Error {}

async function ask(address, options) {
  let response;
  try {
    response = await fetch(address, options);
  } catch {
    throw new Problem("The server does not answer: it may have ended.");
  }
  const answer = await response.json();
  if (!response.ok) throw new Problem(answer.error);
  return answer;
}

function tell(message) {
  $("message").textContent = message;
  $("message").hidden = !message;
}

// Wraps what somebody does: a problem becomes a message in the page, until the next action.
function careful(action) {
  return async (...args) => {
    try {
      tell("");
      await action(...args);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      tell(error.message);
      $("status").textContent = "";
    }
  };
}

const at = (rest) => `api/images/${state.image}/${rest}`;

// -- the image -----------------------------------------------------------------------------------

async function look(file) {
  const order = ++state.sent;  // of two images sent soon after each other, the later one counts
  $("status").textContent = "The network looks at it.";
  const answer = await ask("api/images", { method: "POST", body: file,
    headers: { "Content-Type": "application/octet-stream" } });
  if (order !== state.sent) return;
  Object.assign(state, { image: answer.image, file, layers: answer.layers, explained: null });
  $("status").textContent = "";
  $("results").hidden = false;
  $("number").hidden = $("box").hidden = true;  // those of the image before
  $("neighbors").replaceChildren();
  $("found").textContent = "";
  showClasses(answer.classes);
  showOverlay();
  await showLayers();
}

const send = careful(look);

function showClasses(classes) {
  $("classes").replaceChildren(...classes.map(({ name, probability }) => {
    const item = document.createElement("li"), percent = document.createElement("span");
    percent.className = "percent";
    percent.textContent = `${(100 * probability).toFixed(1)}%`;
    const track = document.createElement("div"), bar = document.createElement("div");
    track.className = "track";
    bar.className = "bar";
    bar.style.width = `${100 * probability}%`;
    track.append(bar);
    item.append(percent, name, track);
    return item;
  }));
}

function showOverlay() {
  const kind = document.querySelector("[name=overlay]:checked").value;
  $("picture").alt = OVERLAYS[kind];
  $("picture").src = at(kind);
}

const OVERLAYS = { picture: "the image as the network sees it",
  gradient: "how much each pixel changes the score of the first class",
  cam: "where the image speaks for the first class (Grad-CAM)" };

// -- feature maps --------------------------------------------------------------------------------

async function showLayers() {
  const names = state.layers.map((layer) => layer.name);
  if (!names.includes(state.layer)) state.layer = names[0];
  $("layer").replaceChildren(...names.map((name) => new Option(name, name)));
  $("layer").value = state.layer;
  await showLayer();
}

async function showLayer() {
  state.layer = $("layer").value;
  const image = state.image, layer = state.layer;
  const maps = await ask(at(`maps/${layer}`));
  if (image !== state.image || layer !== state.layer) return;
  state.perRow = maps.per_row;
  state.channels = maps.channels;
  $("mosaic").src = maps.picture;
  $("mosaic").parentElement.hidden = $("channel-label").hidden = maps.channels === 1;
  $("channel-number").hidden = maps.channels === 1;
  $("channel").max = maps.channels - 1;
  const [channel, row, column] = maps.largest;
  state.cursor = [row, column];
  await showChannel(channel);
}

async function showChannel(channel) {
  state.channel = channel;
  $("channel").value = channel;
  $("channel-number").textContent = `${channel} of 0 to ${state.channels - 1}`;
  const { image, layer } = state;
  const answer = await ask(at(`maps/${layer}/${channel}`));
  if (image !== state.image || layer !== state.layer || channel !== state.channel) return;
  Object.assign(state, { values: answer.values, units: answer.units });
  const [rows, columns] = [state.values.length, state.values[0].length];
  state.cursor = [Math.min(state.cursor[0], rows - 1), Math.min(state.cursor[1], columns - 1)];
  drawMap();
}

// White is 0, blue positive, orange negative; in the dark black is 0.
function drawMap() {
  const canvas = $("map"), rows = state.values.length, columns = state.values[0].length;
  const scale = Math.max(1, Math.ceil(280 / columns));  // sharp lines around the cursor
  canvas.width = columns * scale;
  canvas.height = rows * scale;
  const most = Math.max(...state.values.flat().map(Math.abs)) || 1;
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const context = canvas.getContext("2d");
  const zero = dark ? [0, 0, 0] : [255, 255, 255];
  const ends = dark ? [[120, 190, 255], [255, 150, 60]] : [[0, 60, 120], [190, 80, 0]];
  state.values.forEach((line, row) => line.forEach((value, column) => {
    const share = Math.abs(value) / most, end = ends[value < 0 ? 1 : 0];
    const color = zero.map((from, i) => Math.round(from + share * (end[i] - from)));
    context.fillStyle = `rgb(${color})`;
    context.fillRect(column * scale, row * scale, scale, scale);
  }));
  const [row, column] = state.cursor;
  context.strokeStyle = dark ? "#f08a3c" : "#d55e00";
  context.lineWidth = 2;
  context.strokeRect(column * scale, row * scale, scale, scale);
  const value = state.values[row][column];
  $("place").textContent = `${placeName(row, column)}: ${value}`;
  canvas.setAttribute("aria-label",
    `${state.layer}, ${state.units ? "" : `channel ${state.channel}, `}${placeName(row, column)}: ${value}`);
}

function unitAt(row, column) {
  return row * state.values[0].length + column;
}

function placeName(row, column) {
  return state.units ? `unit ${unitAt(row, column)}` : `row ${row}, column ${column}`;
}

function moveTo(row, column) {
  const rows = state.values.length, columns = state.values[0].length;
  if (row < 0 || column < 0 || row >= rows || column >= columns) return false;
  if (state.units && unitAt(row, column) >= state.units) return false;
  state.cursor = [row, column];
  drawMap();
  return true;
}

const pointed = careful(async (event) => {
  const box = $("map").getBoundingClientRect();
  const column = Math.floor((event.clientX - box.left) / box.width * state.values[0].length);
  const row = Math.floor((event.clientY - box.top) / box.height * state.values.length);
  if (moveTo(row, column)) await explain();
});

const MOVES = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

const typed = careful(async (event) => {
  if (event.key in MOVES) {
    event.preventDefault();
    moveTo(state.cursor[0] + MOVES[event.key][0], state.cursor[1] + MOVES[event.key][1]);
  } else if (event.key === "Enter") {
    await explain();
    $("number-heading").focus();
  }
});

const chosen = careful(async (event) => {
  const image = $("mosaic"), box = image.getBoundingClientRect();
  const rows = Math.ceil(state.channels / state.perRow);
  const column = Math.floor((event.clientX - box.left) / box.width * state.perRow);
  const row = Math.floor((event.clientY - box.top) / box.height * rows);
  const channel = row * state.perRow + column;
  if (channel < state.channels) await showChannel(channel);
});

async function explain() {
  const [row, column] = state.cursor;
  const index = state.units ? [unitAt(row, column)] : [state.channel, row, column];
  state.explained = `explain/${state.layer}/${index}`;
  await showExplanation();
}

async function showExplanation() {
  const asked = state.explained + ($("backward").checked ? "?backward=1" : "");
  const image = state.image;
  const answer = await ask(at(asked));
  const wanted = state.explained + ($("backward").checked ? "?backward=1" : "");
  if (image !== state.image || asked !== wanted) return;  // another one was asked for since
  $("number").hidden = false;
  $("number-heading").textContent = answer.title;
  $("sentence").textContent = answer.sentence;
  $("explanation").innerHTML = answer.html;  // made by the server, which escapes all texts
  showBox(answer.box);
}

// The pixels that the number depends on, over the image.
function showBox([top, left, bottom, right]) {
  const size = $("picture").naturalWidth || 1, box = $("box");
  const percent = (pixels) => `${100 * pixels / size}%`;
  Object.assign(box.style, { top: percent(top), left: percent(left),
    width: percent(right - left), height: percent(bottom - top) });
  box.hidden = false;
}

// -- neighbors -----------------------------------------------------------------------------------

const findNeighbors = careful(async () => {
  const image = state.image;
  $("found").textContent = "The network looks at the training images; the first time that takes a while.";
  $("find").disabled = true;
  try {
    const answer = await ask(at("neighbors"));
    if (image !== state.image) return;
    $("found").textContent = `Of ${answer.images.toLocaleString("en")} training images, by their distance in ${answer.layer}.`;
    $("neighbors").replaceChildren(...answer.neighbors.map((neighbor) => {
      const item = document.createElement("li"), picture = document.createElement("img");
      picture.src = neighbor.picture;
      picture.className = "pixels";
      picture.alt = `a training image of class ${neighbor.class}`;
      const name = document.createElement("span");
      name.textContent = `${neighbor.class}, ${neighbor.distance}`;
      item.append(picture, name);
      return item;
    }));
  } catch (error) {
    $("found").textContent = "";
    throw error;
  } finally {
    $("find").disabled = false;
  }
});

// -- the camera ----------------------------------------------------------------------------------

const startCamera = careful(async () => {
  if (!navigator.mediaDevices) throw new Problem("This browser gives pages no camera.");
  try {
    $("video").srcObject = await navigator.mediaDevices.getUserMedia({
      video: { facingMode: "environment" } });
  } catch (error) {
    const denied = error.name === "NotAllowedError";
    throw new Problem(denied ? "The browser did not allow the camera: choose a file instead."
      : "No camera was found: choose a file instead.");
  }
  $("viewfinder").hidden = false;
  await $("video").play();
  $("shoot").focus();
});

function stopCamera() {
  for (const track of $("video").srcObject?.getTracks() ?? []) track.stop();
  $("video").srcObject = null;
  $("viewfinder").hidden = true;
  $("camera").focus();
}

async function shoot() {
  const video = $("video"), canvas = document.createElement("canvas");
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext("2d").drawImage(video, 0, 0);
  const file = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.95));
  stopCamera();
  await send(file);
}

// -- the training --------------------------------------------------------------------------------

const SVG = "http://www.w3.org/2000/svg";

function element(name, attributes, text) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

function curve(title, series, epochs, percent) {
  const [W, H, left, top, right, bottom] = [320, 180, 44, 24, 8, 24];
  const values = series.flatMap(({ points }) => points.map(([, y]) => y)).filter(Number.isFinite);
  const most = percent ? 1 : Math.max(...values, 0) || 1;
  const x = (epoch) => left + (W - left - right) * (epoch - 1) / Math.max(epochs - 1, 1);
  const y = (value) => H - bottom - (H - top - bottom) * value / most;
  const svg = element("svg", { viewBox: `0 0 ${W} ${H}`, role: "img" });
  svg.append(element("title", {}, title), element("text", { x: 0, y: 12 }, title));
  for (const share of [0, 0.5, 1]) {
    const value = share * most, label = percent ? `${100 * value}%` : value.toPrecision(2);
    svg.append(element("line", { class: "axis", x1: left, x2: W - right, y1: y(value), y2: y(value) }),
      element("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" }, label));
  }
  svg.append(element("text", { x: left, y: H - 6 }, "epoch 1"),
    element("text", { x: W - right, y: H - 6, "text-anchor": "end" }, String(epochs)));
  for (const { points, kind } of series) {
    const drawn = points.filter(([, value]) => Number.isFinite(value));
    const line = drawn.map(([epoch, value]) => `${x(epoch)},${y(value)}`).join(" ");
    svg.append(element("polyline", { class: kind, points: line }));
  }
  return svg;
}

function showProgress({ rows, columns, epochs }) {
  $("training").hidden = false;
  if (!rows.length) {
    $("epoch").textContent = "The first epoch has not ended yet.";
    return;
  }
  const points = (name) => rows.map((row) => [row[0], row[columns.indexOf(name)]]);
  const wrong = (name) => points(name).map(([epoch, right]) => [epoch, 1 - right]);
  const last = epochs ?? rows.at(-1)[0];
  const news = `Epoch ${rows.at(-1)[0]} of ${last}: `
    + `${(100 * wrong("val_top1").at(-1)[1]).toFixed(1)}% of the validation images are wrong. `
    + "Solid: training, dashed: validation.";
  if (news === $("epoch").textContent) return;  // it is read aloud when it changes
  $("epoch").textContent = news;
  $("curves").replaceChildren(
    curve("loss", [{ kind: "train", points: points("train_loss") },
      { kind: "val", points: points("val_loss") }], last, false),
    curve("error", [{ kind: "train", points: wrong("train_top1") },
      { kind: "val", points: wrong("val_top1") }], last, true));
}

const SECONDS_BETWEEN_LOOKS = 3;

async function showNews() {
  const progress = await ask("api/progress");
  if (progress.follows) showProgress(progress);
  if (progress.version !== state.version) {
    if (progress.version) await showNetwork();
    state.version = progress.version;
    if (state.file) await look(state.file);  // what the newer network says of the same image
  }
  return progress.follows;
}

async function showNetwork() {
  const network = await ask("api/network");
  $("network").textContent = `${network.architecture}, ${network.parameters.toLocaleString("en")} `
    + `parameters, ${network.classes.length} classes, images of ${network.image_size} pixels`;
  const filters = await ask("api/filters");
  $("filters").src = filters.picture;
  $("filters").alt = `${filters.filters} filters`;
}

// What goes wrong here is tried again: a message of somebody's action stays.
async function watch() {
  let follows = true;
  try {
    follows = await showNews();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (state.version === null) tell(error.message);
  }
  if (follows) setTimeout(watch, 1000 * SECONDS_BETWEEN_LOOKS);
}

// -- events --------------------------------------------------------------------------------------

$("file").addEventListener("change", () => {
  const [file] = $("file").files;
  if (!file) return;
  send(file);
  $("file").value = "";  // choosing it again sends it again
});
$("picture").addEventListener("error", () => tell("This image is not kept any more: send it again."));
for (const name of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();  // the browser would leave the page and show the file
    $("drop").classList.toggle("over", name === "dragover");
    if (name === "drop" && event.dataTransfer.files[0]) send(event.dataTransfer.files[0]);
  });
}
document.addEventListener("paste", (event) => {
  const file = [...event.clipboardData.files].find((f) => f.type.startsWith("image/"));
  if (file) send(file);
  else tell("There is no image in the clipboard.");
});
$("overlays").addEventListener("change", showOverlay);
$("layer").addEventListener("change", careful(showLayer));
$("channel").addEventListener("input", careful(() => showChannel(Number($("channel").value))));
$("map").addEventListener("click", pointed);
$("map").addEventListener("keydown", typed);
$("mosaic").addEventListener("click", chosen);
$("backward").addEventListener("change", careful(showExplanation));
$("find").addEventListener("click", findNeighbors);
$("camera").addEventListener("click", startCamera);
$("shoot").addEventListener("click", shoot);
$("stop").addEventListener("click", stopCamera);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  if (state.values.length) drawMap();
});
watch();

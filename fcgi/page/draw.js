/* draw: a file that changes something visible has the page drawn. */

let drawPage = () => {};

/* Says how: app.js. */
export function drawWith(way) {
  drawPage = way;
}

export function draw() {
  drawPage();
}

/* What a screen reader says aloud. */
export function announce(text) {
  document.getElementById('announce').textContent = text;
}

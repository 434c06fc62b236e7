/* draw: whoever changes what is to be seen has it drawn. */

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

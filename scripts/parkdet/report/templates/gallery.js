"use strict";
// The gallery: a card is filled, and its pack loaded, when it comes near the window.
{
  const index = JSON.parse(document.getElementById("gallery-index").textContent);
  const SVG = "http://www.w3.org/2000/svg";
  const packs = new Map(); // number -> promise of the pack
  const arrived = new Map(); // number -> what to call with a pack loaded from a file
  const controls = document.getElementById("controls");
  const byId = (id) => document.getElementById(id);

  window.parkdetPack = (number, pack) => arrived.get(number)?.(pack);

  function loadPack(number) {
    if (!packs.has(number)) {
      packs.set(number, new Promise((resolve, reject) => {
        const within = byId(`pack${number}`);
        if (within) return resolve(JSON.parse(within.textContent));
        arrived.set(number, resolve);
        const script = document.createElement("script");
        script.src = `gallery/pack${number}.js`;
        script.onerror = () => reject(new Error(`gallery/pack${number}.js was not found next to this page`));
        document.head.append(script);
      }));
    }
    return packs.get(number);
  }

  const load = (number) =>
    loadPack(Math.floor(number / index.pack)).then((pack) => pack[number % index.pack]);

  function element(name, attributes, ...children) {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  const settings = () => ({
    part: byId("part").value,
    cls: byId("class").value === "" ? null : Number(byId("class").value),
    score: Number(byId("score").value),
    order: byId("order").value,
    byClass: byId("colour").value === "class",
    truth: byId("truth").checked,
  });

  const hue = (cls) => `hsl(${(cls * 137.508) % 360} 90% 62%)`; // the golden angle: no two hues alike

  function* rows(flat, width) {
    for (let at = 0; at < flat.length; at += width) yield flat.slice(at, at + width);
  }

  function rectangle(kind, [left, top, width, height], name, cls, wanted) {
    const box = element("rect", { class: kind, x: left, y: top, width, height });
    if (wanted.byClass && !kind.startsWith("truth")) box.style.stroke = hue(cls);
    const title = element("title", {});
    title.textContent = name;
    box.append(title);
    return box;
  }

  // The image with the selected boxes, and how many there are of each kind.
  function draw(picture, wanted, labels) {
    const counts = { right: 0, wrong: 0, plain: 0, missed: 0 };
    const drawing = element("svg", { viewBox: `0 0 ${picture.width} ${picture.height}`, "aria-hidden": "true" });
    if (picture.uri) drawing.append(element("image", { href: picture.uri, width: picture.width, height: picture.height }));
    const texts = [];
    for (const [cls, left, top, width, height, found] of rows(picture.truth, 6)) {
      if (wanted.cls !== null && cls !== wanted.cls) continue;
      const missed = found < wanted.score || found === 0;
      counts.missed += missed;
      if (!wanted.truth) continue;
      const name = `${index.classes[cls]}, ${missed ? "missed" : "found"}`;
      drawing.append(rectangle(missed ? "truth missed" : "truth", [left, top, width, height], name, cls, wanted));
      if (missed) texts.push([left, top + height, index.classes[cls], 14]);
    }
    for (const [cls, score, left, top, width, height, outcome] of rows(picture.boxes, 7)) {
      if (score < wanted.score || (wanted.cls !== null && cls !== wanted.cls)) continue;
      const kind = outcome === 1 ? "right" : outcome === 0 ? "wrong" : "plain";
      counts[kind] += 1;
      const name = `${index.classes[cls]} ${score.toFixed(2)}`;
      drawing.append(rectangle(`box ${kind}`, [left, top, width, height], name, cls, wanted));
      texts.push([left, top, name, -4]);
    }
    if (labels) drawing.append(...texts.map((text) => label(picture, ...text)));
    return [drawing, counts];
  }

  function label(picture, x, y, content, offset) {
    const scale = picture.width / Math.min(byId("viewer").clientWidth, 900); // the same size on all images
    const text = element("text", { transform: `translate(${x} ${Math.max(y + offset * scale, 12 * scale)}) scale(${scale})` });
    text.textContent = content;
    return text;
  }

  function describe(counts, scored) {
    if (!scored) return `${counts.plain} detections`;
    return `${counts.right} right, ${counts.wrong} wrong, ${counts.missed} missed`;
  }

  const isScored = (entry) => entry.missed !== null;
  const mistakes = (entry) => (isScored(entry) ? entry.missed + entry.wrong : -1);
  const orders = {
    worst: (a, b) => mistakes(b) - mistakes(a),
    missed: (a, b) => (b.missed ?? -1) - (a.missed ?? -1),
    wrong: (a, b) => (b.wrong ?? -1) - (a.wrong ?? -1),
    name: (a, b) => a.name.localeCompare(b.name),
  };

  function matches(entry, wanted) {
    if (wanted.part && entry.part !== wanted.part) return false;
    const detected = Object.entries(entry.best).some(
      ([cls, best]) => best >= wanted.score && (wanted.cls === null || Number(cls) === wanted.cls));
    const labelled = wanted.cls === null ? entry.truth.length > 0 : entry.truth.includes(wanted.cls);
    return detected || labelled || (wanted.cls === null && wanted.score === 0);
  }

  // One card per image, made once; filtering only sorts, shows and hides cards.
  const near = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      target.parkdetNear = isIntersecting;
      if (isIntersecting) fill(target);
      else empty(target);
    }
  }, { rootMargin: "300px" });

  const cards = index.images.map((entry, number) => {
    const card = document.createElement("button");
    card.type = "button";
    card.className = "shot";
    card.parkdetNumber = number;
    card.innerHTML = '<span></span><span class="under"><span></span><span></span></span>';
    empty(card);
    const [name, counts] = card.lastChild.children;
    name.textContent = `\u200e${entry.name}`;
    counts.textContent = entry.part;
    card.setAttribute("aria-label", `${entry.part} ${entry.name}`);
    card.addEventListener("click", () => open(number));
    near.observe(card);
    return card;
  });

  // A card far from the window holds no drawing, which keeps the page light.
  function empty(card) {
    const blank = document.createElement("span");
    blank.className = "blank";
    blank.style.aspectRatio = index.images[card.parkdetNumber].shape.join(" / ");
    card.firstChild.replaceWith(blank);
  }

  async function fill(card) {
    const entry = index.images[card.parkdetNumber];
    const counts = card.lastChild.lastChild;
    try {
      const picture = await load(card.parkdetNumber);
      if (!card.parkdetNear) return; // scrolled past in the meantime
      const [drawing, found] = draw(picture, settings(), false);
      card.firstChild.replaceWith(drawing);
      counts.textContent = picture.uri ? describe(found, isScored(entry)) : "cannot be read";
      card.setAttribute("aria-label", `${entry.part} ${entry.name}: ${counts.textContent}`);
    } catch (error) {
      counts.textContent = error.message;
    }
  }

  let shown = [];

  function update() {
    const wanted = settings();
    byId("score-value").textContent = wanted.score.toFixed(2);
    const numbers = index.images.map((_, number) => number).filter((n) => matches(index.images[n], wanted));
    numbers.sort((a, b) => orders[wanted.order](index.images[a], index.images[b]) || a - b);
    if (numbers.join() !== shown.join()) {
      shown = numbers;
      byId("cards").replaceChildren(...shown.map((number) => cards[number]));
    }
    byId("shown").textContent = `${shown.length} of ${index.images.length} images`;
    for (const number of shown) if (cards[number].parkdetNear) fill(cards[number]);
  }

  // The viewer: one image, enlarged.
  let current = 0;

  function open(number) {
    current = number;
    if (!byId("viewer").open) byId("viewer").showModal();
    view();
  }

  async function view() {
    const number = current;
    const entry = index.images[number];
    byId("viewer-name").textContent = `${entry.part} · ${entry.name}`;
    try {
      const picture = await load(number);
      if (number !== current) return; // another image was requested in the meantime
      const [drawing, counts] = draw(picture, settings(), true);
      byId("viewer-count").textContent = describe(counts, isScored(entry));
      byId("viewer-picture").replaceChildren(drawing);
    } catch (error) {
      byId("viewer-count").textContent = error.message;
      byId("viewer-picture").replaceChildren();
    }
  }

  function go(step) {
    const place = shown.indexOf(current) + step;
    if (place >= 0 && place < shown.length) {
      current = shown[place];
      view();
    }
  }

  function close() {
    byId("viewer").close();
    cards[current].focus();
  }

  function moveFocus(event) {
    const place = shown.indexOf(event.target.parkdetNumber);
    const columns = getComputedStyle(byId("cards")).gridTemplateColumns.split(" ").length;
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
    const target = step && place >= 0 ? cards[shown[place + step]] : null;
    if (target) {
      event.preventDefault();
      target.focus();
    }
  }

  if (controls) {
    let pending = 0; // a slider reports more positions than can be drawn: draw only the last
    controls.addEventListener("input", () => {
      cancelAnimationFrame(pending);
      pending = requestAnimationFrame(update);
    });
    byId("cards").addEventListener("keydown", moveFocus);
    byId("previous").addEventListener("click", () => go(-1));
    byId("next").addEventListener("click", () => go(1));
    byId("close").addEventListener("click", close);
    byId("viewer").addEventListener("keydown", (event) => {
      if (event.key === "ArrowLeft") go(-1);
      else if (event.key === "ArrowRight") go(1);
      else if (event.key.toLowerCase() === "t") {
        byId("truth").click();
        view();
      }
    });
    update();
  }
}

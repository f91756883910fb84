"use strict";
// Shared by all pages: elements, shared objects of embedded data, and state in the address.

function make(tag, text, attributes = {}) {
  const element = document.createElement(tag);
  if (text !== undefined && text !== null) element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function draw(tag, attributes = {}, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

function embedded(id) {
  return JSON.parse(document.getElementById(id).textContent);
}

// Undoes ``interned`` of template.py: {"$": n} stands for the n-th shared object.
function expand(node, shared) {
  if (Array.isArray(node)) return node.map((child) => expand(child, shared));
  if (node === null || typeof node !== "object") return node;
  if ("$" in node) return expand(shared[node.$], shared);
  return Object.fromEntries(Object.entries(node).map(([name, child]) => [name, expand(child, shared)]));
}

// What a reader chose stands behind the # of the address, so that a link shows the same. A plain #anchor is none of it.
const address = {
  read() {
    const text = location.hash.slice(1);
    return new URLSearchParams(text.includes("=") ? text : "");
  },
  write(change) {
    const chosen = this.read();
    change(chosen);
    const text = chosen.toString();
    history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
  },
  set(name, value) {
    this.write((chosen) => (value ? chosen.set(name, value) : chosen.delete(name)));
  },
  toggle(name, value, on) {
    this.write((chosen) => {
      const others = chosen.getAll(name).filter((other) => other !== value);
      chosen.delete(name);
      for (const other of on ? [...others, value] : others) chosen.append(name, other);
    });
  },
};

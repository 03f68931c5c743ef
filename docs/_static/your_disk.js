// Puts the reader's disk and socket into the blocks of a page that name the manual's.
//
// The build says where: see qemu_pr/manual/your_disk.py. Without this script a page stays as it is.
"use strict";

(() => {
  const SAFE_IN_SHELL = /^[\w@%+=:,./-]+$/;
  const SAFE_IN_PROXMOX = SAFE_IN_SHELL;
  const XML = { "&": "&amp;", "<": "&lt;", "'": "&apos;" };

  const shell = (text) =>
    SAFE_IN_SHELL.test(text) ? text : `'${text.replaceAll("'", `'"'"'`)}'`;

  // How a path is written, and how a word that holds one is quoted, as qemu_pr.command_line does.
  const WRITE = {
    "": (text) => text,
    plain: (path) => path,
    qemu: (path) => path.replaceAll(",", ",,"),
    json: (path) =>
      JSON.stringify(path)
        .slice(1, -1)
        .replace(/[^ -~]/g, (unit) => "\\u" + unit.charCodeAt(0).toString(16).padStart(4, "0")),
    xml: (path) => `'${path.replace(/[&<']/g, (character) => XML[character])}'`,
    shell,
    proxmox: (word) =>
      SAFE_IN_PROXMOX.test(word) ? word : `"${word.replace(/["\\]/g, "\\$&")}"`,
    option: (path) => ` --socket ${shell(path)}`,
  };

  const FIELDS = {
    disk: { label: "Your disk", usual: "/dev/sdb", longest: 4095 },
    socket: { label: "Your socket", usual: "/var/run/qemu-pr-helper.sock", longest: 107 },
  };

  // Why not every format can have a path; empty if all can.
  const refusal = (path, longest) => {
    if (!path.startsWith("/")) return "write the whole path, from the root /";
    if (/[\0-\x1f\x7f]/.test(path)) return "it has a control character; use a symbolic link";
    if (/[\p{Surrogate}\p{Noncharacter_Code_Point}]/u.test(path))
      return "it has a character that JSON and XML do not take; use a symbolic link";
    const size = new TextEncoder().encode(path).length;
    if (size > longest) return `it has ${size} bytes, and Linux takes ${longest} at most`;
    return "";
  };

  // A browser may deny it, for pages of the file system above all: then each page asks anew.
  const remember = (name, path) => {
    try {
      if (path) localStorage.setItem(`qemu-pr:${name}`, path);
      else localStorage.removeItem(`qemu-pr:${name}`);
    } catch {}
  };
  const remembered = (name) => {
    try {
      return localStorage.getItem(`qemu-pr:${name}`) ?? "";
    } catch {
      return "";
    }
  };

  // A text of the page with its places, as the build wrote them.
  class Text {
    constructor(element, places) {
      this.element = element;
      this.places = places.reverse(); // from the end, so that what stands before keeps its place
      this.original = [...element.childNodes].map((node) => node.cloneNode(true));
    }

    show(paths) {
      this.element.replaceChildren(...this.original.map((node) => node.cloneNode(true)));
      for (const [start, shown, parts, quote] of this.places) {
        if (!parts.some(([name]) => paths[name])) continue;
        const texts = parts.map((part) => {
          if (typeof part === "string") return part;
          const [name, how, usual] = part;
          return paths[name] ? WRITE[how](paths[name]) : usual;
        });
        this.replace(start, start + shown.length, WRITE[quote](texts.join("")));
      }
    }

    replace(start, end, text) {
      const range = document.createRange();
      range.setStart(...this.at(start, false));
      range.setEnd(...this.at(end, true));
      range.deleteContents();
      const mark = document.createElement("span");
      mark.className = "yours";
      for (const piece of text.split(/(?<=,)/)) mark.append(piece, document.createElement("wbr"));
      mark.lastChild.remove();
      range.insertNode(mark);
    }

    // The text node of a place, and where in it: the one behind the place, or the one before it.
    at(place, before) {
      const walker = document.createTreeWalker(this.element, NodeFilter.SHOW_TEXT);
      for (let node = walker.nextNode(), seen = 0; node; node = walker.nextNode()) {
        const inside = place - seen;
        if (inside < node.length || (before && inside === node.length)) return [node, inside];
        seen += node.length;
      }
      throw new RangeError(`the text has no place ${place}`);
    }
  }

  const element = (tag, attributes = {}, ...content) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...content);
    return made;
  };

  const start = () => {
    const texts = [];
    for (const block of document.querySelectorAll("[data-yours]")) {
      const places = JSON.parse(block.dataset.yours);
      const caption = block.parentElement.querySelector(":scope > .code-block-caption code");
      if (places.text.length) texts.push(new Text(block.querySelector("pre"), places.text));
      if (places.caption.length) texts.push(new Text(caption, places.caption));
    }
    const used = texts.flatMap((text) => text.places.flatMap(([, , parts]) => parts));
    const names = Object.keys(FIELDS).filter((name) => used.some(([part]) => part === name));
    if (!names.length) return;

    const inputs = {};
    const told = element("output", { id: "yours-told", for: names.map((name) => `yours-${name}`).join(" ") });
    const back = element("button", { type: "button" }, "Put back");
    const form = element("form", { class: "your-disk", "aria-label": "Your paths in this manual" });
    for (const name of names) {
      const { label, usual } = FIELDS[name];
      const id = `yours-${name}`;
      inputs[name] = element("input", {
        id,
        type: "text",
        placeholder: usual,
        autocomplete: "off",
        autocapitalize: "off",
        spellcheck: "false",
        "aria-describedby": told.id,
      });
      form.append(element("label", { for: id }, label, inputs[name]));
    }
    form.append(back, told);

    const shown = {};
    const show = () => {
      for (const name of names) {
        const path = inputs[name].value;
        const why = path && refusal(path, FIELDS[name].longest);
        inputs[name].setAttribute("aria-invalid", String(Boolean(why)));
        if (why) {
          told.value = `${FIELDS[name].label}: ${why}. Nothing is changed.`;
          return;
        }
      }
      told.value = "";
      for (const name of names) {
        shown[name] = inputs[name].value;
        remember(name, shown[name]);
      }
      back.hidden = !names.some((name) => shown[name]);
      for (const text of texts) text.show(shown);
    };
    const recall = () => {
      for (const name of names) inputs[name].value = remembered(name);
      show();
    };

    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", show);
    back.addEventListener("click", () => {
      for (const name of names) inputs[name].value = "";
      show();
      inputs[names[0]].focus();
    });
    addEventListener("storage", recall); // another tab
    addEventListener("pageshow", (event) => event.persisted && recall()); // the way back
    document.querySelector("h1").after(form);
    recall();
  };

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();

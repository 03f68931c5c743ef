/* How search results are ranked: as Sphinx does it, but whoever searches for a whole message
   (four words or more) gets the page that explains messages first. */
const pastedMessage = (new URLSearchParams(window.location.search).get("q") || "")
  .trim().split(/\s+/).length >= 4;

var Scorer = {
  score: ([page, title, anchor, description, score]) =>
    score + (pastedMessage && page === "troubleshooting" ? 100 : 0),
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};

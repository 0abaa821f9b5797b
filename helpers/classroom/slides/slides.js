// Begin the slide show, once every slide is as large as fits the screen.
(async () => {
  const HEIGHT = 720, SCALES = [1, 0.92, 0.85, 0.78, 0.72, 0.66, 0.6];
  const PICTURES = [620, 560, 500, 450, 400, 350];

  // First pictures become smaller, then text. What is too large even then is scrolled.
  function fit(slide) {
    for (const scale of SCALES)
      for (const picture of slide.querySelector("img") ? PICTURES : [0]) {
        slide.style.setProperty("--scale", scale);
        slide.style.setProperty("--picture", `${picture}px`);
        if (slide.scrollHeight <= HEIGHT) return;
      }
  }

  const slides = document.querySelector(".reveal .slides");
  const leaves = [...slides.querySelectorAll("section")].filter(
    (section) => !section.querySelector("section"));

  // reveal.js marks a slide that holds others, but only later than this measures.
  for (const section of slides.querySelectorAll("section"))
    if (section.querySelector("section")) section.classList.add("stack");

  slides.classList.add("measured");
  slides.style.width = "1280px";
  await document.fonts.ready;
  await Promise.all([...document.images].map((image) => image.decode().catch(() => {})));
  for (const leaf of leaves) fit(leaf);
  slides.style.width = "";
  slides.classList.remove("measured");

  await Reveal.initialize({
    width: 1280,
    height: HEIGHT,
    margin: 0.03,
    center: false,
    controls: true,
    hash: true,
    navigationMode: "linear", // right and left lead through all slides
    slideNumber: "c/t",
    transition: "none",
    pdfSeparateFragments: false, // printed with ?print-pdf, a slide is one page
    plugins: [RevealNotes],
  });
})();

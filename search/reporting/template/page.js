"use strict";

// Draws every figure of the page from the JSON beside it, one after the other, so that the page can be read meanwhile.
(() => {
  const touch = window.matchMedia("(pointer: coarse)").matches || window.innerWidth < 640;
  const PRINTED_WIDTH = 680; // pixels of CSS that fit both A4 and Letter within the margins of the style

  function draw(plot) {
    const { data, layout } = JSON.parse(plot.nextElementSibling.textContent);
    if (touch) {
      // A finger scrolls the page; it does not zoom into a figure.
      layout.dragmode = false;
      layout.xaxis = { ...layout.xaxis, fixedrange: true };
      layout.yaxis = { ...layout.yaxis, fixedrange: true };
    }
    const config = {
      responsive: true,
      displaylogo: false,
      displayModeBar: touch ? false : "hover",
      modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
      doubleClick: touch ? false : "reset",
    };
    return Plotly.newPlot(plot, data, layout, config);
  }

  const plots = [...document.querySelectorAll(".plot")];

  async function drawAll() {
    for (const plot of plots) {
      await draw(plot);
      await new Promise((next) => setTimeout(next));
    }
    document.documentElement.dataset.drawn = String(plots.length);
  }

  function resize(width) {
    for (const plot of plots.filter((plot) => plot.classList.contains("js-plotly-plot"))) {
      Plotly.relayout(plot, width === null ? { autosize: true, width: null } : { width });
    }
  }

  const folded = [...document.querySelectorAll("details")];
  window.addEventListener("beforeprint", () => {
    resize(PRINTED_WIDTH);
    for (const part of folded) part.open = true;
  });
  window.addEventListener("afterprint", () => resize(null));

  drawAll();
})();

// Draws the dashboard's charts from the JSON beside them, in the colours of the page, light or dark.
"use strict";
(() => {
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const dark = () => document.documentElement.classList.contains("dark");
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;

  const palette = () =>
    dark()
      ? ["#818cf8", "#f59e0b", "#34d399", "#94a3b8"]
      : ["#4f46e5", "#d97706", "#059669", "#64748b"];

  const said = (value, unit) => {
    const number = value.toLocaleString("en-US", { maximumFractionDigits: unit === "ms" ? 1 : 4 });
    return unit === "$" ? `$${number}` : unit ? `${number} ${unit}` : number;
  };

  const options = (data) => {
    const muted = css(dark() ? "--color-base-400" : "--color-base-500");
    const line = css(dark() ? "--color-base-800" : "--color-base-200");
    const stacked = data.kind === "bar" && data.series.length > 1;
    return {
      animation: still ? false : { duration: 250 },
      maintainAspectRatio: false,
      interaction: { mode: "index", intersect: false },
      onClick: (_, items) => {
        if (items.length && data.links) location.href = data.links[items[0].index];
      },
      onHover: (event, items) => {
        event.native.target.style.cursor = items.length && data.links ? "pointer" : "default";
      },
      plugins: {
        legend: {
          display: data.series.length > 1,
          align: "end",
          labels: { color: muted, boxWidth: 10, boxHeight: 10, useBorderRadius: true, borderRadius: 2 },
        },
        tooltip: {
          callbacks: { label: (item) => ` ${item.dataset.label}: ${said(item.parsed.y, data.unit)}` },
        },
      },
      scales: {
        x: {
          stacked,
          grid: { display: false },
          border: { color: line },
          ticks: {
            color: muted,
            autoSkip: true,
            maxTicksLimit: 7,
            maxRotation: 0,
            callback(value) {
              return this.getLabelForValue(value).split(",")[0].slice(4); // without the weekday
            },
          },
        },
        y: {
          stacked,
          beginAtZero: true,
          border: { display: false },
          grid: { color: line },
          ticks: {
            color: muted,
            maxTicksLimit: 5,
            precision: data.unit ? undefined : 0,
            callback: (value) => said(value, data.unit),
          },
        },
      },
    };
  };

  const datasets = (data) =>
    data.series.map(({ name, values }, place) => {
      const color = palette()[place];
      return data.kind === "line"
        ? { label: name, data: values, borderColor: color, backgroundColor: color, borderWidth: 2,
            pointRadius: values.filter((value) => value !== null).length > 40 ? 0 : 2, spanGaps: true, tension: 0.25 }
        : { label: name, data: values, backgroundColor: color, borderRadius: 2, maxBarThickness: 28 };
    });

  const charts = [];
  const draw = () => {
    for (const chart of charts.splice(0)) chart.destroy();
    for (const canvas of document.querySelectorAll("canvas[data-chart]")) {
      const data = JSON.parse(document.getElementById(canvas.dataset.chart).textContent);
      charts.push(
        new Chart(canvas, {
          type: data.kind,
          data: { labels: data.labels, datasets: datasets(data) },
          options: options(data),
        }),
      );
    }
  };

  addEventListener("load", () => {
    Chart.defaults.font.family = "Inter, sans-serif";
    draw();
    new MutationObserver(draw).observe(document.documentElement, { attributeFilter: ["class"] });
  });
})();

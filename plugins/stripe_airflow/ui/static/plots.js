// Plots of a sync, drawn from the tables beside them. A table is the text of its plot, too.
(() => {
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const duration = (value) => {
    if (value == null) return "–";
    if (value < 60) return `${value < 10 ? value.toFixed(1) : Math.round(value)} s`;
    return value < 7200 ? `${Math.round(value / 60)} min` : `${Math.round(value / 3600)} h`;
  };
  const count = (value) => (value == null ? "–" : value.toLocaleString("en", { maximumFractionDigits: 1 }));
  const short = (value) => value.toLocaleString("en", { notation: "compact", maximumFractionDigits: 1 });

  // Columns of numbers: [times, values of a series, …]; an empty cell is a gap.
  function read(table) {
    const heads = [...table.tHead.rows[0].cells].map((cell) => cell.textContent.trim());
    const columns = heads.map(() => []);
    for (const row of table.tBodies[0].rows) {
      [...row.cells].forEach((cell, place) => {
        const value = cell.dataset.value;
        columns[place].push(value === undefined || value === "" ? null : Number(value));
      });
    }
    return { heads, columns };
  }

  // Each series on top of those after it, so that the whole area is the sum.
  function stacked(columns) {
    const [times, ...values] = columns;
    const sums = values.map((_, place) =>
      times.map((_, at) => values.slice(place).reduce((sum, each) => sum + (each[at] ?? 0), 0)));
    return [times, ...sums];
  }

  const line = (label, name, value, more = {}) =>
    ({ label, stroke: colour(name), width: 1.5, value, spanGaps: false, ...more });
  const constant = (label, value) => ({
    label, stroke: colour("--bad"), dash: [6, 4], width: 1.5, points: { show: false }, value: () => value,
  });

  const DURATIONS = [0.1, 1, 10, 60, 600, 3600, 36000, 360000, 3600000]; // lines of the scale
  function freshness({ heads, columns }) {
    const points = { show: true, size: 5 }; // a value between gaps is no line
    return {
      data: columns.slice(0, 3),
      scales: { y: { distr: 3, range: (_, low, high) => [Math.min(0.1, low ?? 0.1), Math.max(10, high ?? 10)] } },
      value: duration,
      splits: (_, __, low, high) => DURATIONS.filter((each) => each >= low && each <= high),
      series: [1, 2].map((place) =>
        line(heads[place], place === 1 ? "--plot-1" : "--plot-3", (_, value) => duration(value), { points })),
    };
  }

  function requests({ heads, columns }, limit) {
    const data = stacked(columns);
    const series = heads.slice(1).map((head, place) => line(
      head, `--plot-${place + 1}`, (_, __, ___, at) => count(columns[place + 1][at]),
      { fill: `${colour(`--plot-${place + 1}`)}55`, width: 1, points: { show: false } },
    ));
    data.push(data[0].map(() => limit));
    return {
      data, series: [...series, constant("Limit", count(limit))], value: count,
      scales: { y: { range: (_, __, high) => [0, Math.max(high ?? 0, limit) * 1.1] } },
    };
  }

  function reads({ heads, columns }, allotment) {
    const data = [columns[0], columns[2]];
    const series = [line(heads[2], "--plot-1", (_, value) => count(value), { fill: `${colour("--plot-1")}33`, points: { show: false } })];
    if (allotment) {
      data.push(data[0].map(() => allotment));
      series.push(constant("Allotment", count(allotment)));
    }
    return {
      data, series, value: short,
      scales: { y: { range: (_, __, high) => [0, Math.max(high ?? 0, allotment || 1) * 1.1] } },
    };
  }

  // Texts of the time axis by the least step: format, then with a new day.
  const HOURS = [[60, "{HH}:{mm}", null, null, "\n{MMM} {D}", null, null, null, 1]];
  const DAYS = [[60, "{MMM} {D}", null, null, null, null, null, null, 1]];

  const KINDS = { freshness, requests, reads };
  const drawn = new Map();

  const version = (figure) => figure.querySelector("details [data-version]")?.dataset.version;

  function draw(figure) {
    const kind = figure.dataset.plot;
    const table = figure.querySelector("details table");
    if (!table) return;
    figure.dataset.drawn = version(figure);
    const holder = figure.querySelector(".plot");
    const parts = KINDS[kind](read(table), Number(table.dataset.limit) || 0);
    const text = colour("--quiet");
    const grid = { stroke: colour("--line"), width: 1 };
    drawn.get(figure)?.destroy();
    drawn.set(figure, new uPlot({
      width: holder.clientWidth || 300, height: 200,
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      cursor: { drag: { x: false, y: false } },
      scales: parts.scales,
      axes: [
        { stroke: text, grid, ticks: grid, values: kind === "reads" ? DAYS : HOURS },
        { stroke: text, grid, ticks: grid, size: 56, ...(parts.splits && { splits: parts.splits }), values: (_, splits) => splits.map((each) => (each == null ? "" : parts.value(each))) },
      ],
      series: [{ label: "UTC", value: kind === "reads" ? "{YYYY}-{MM}-{DD}" : "{MM}-{DD} {HH}:{mm}" }, ...parts.series],
    }, parts.data, holder));
  }

  const figures = () => document.querySelectorAll("[data-plot]");
  const drawAll = () => figures().forEach(draw);
  const sizes = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const plot = drawn.get(target.closest("[data-plot]"));
      if (plot && target.clientWidth && target.clientWidth !== plot.width) plot.setSize({ width: target.clientWidth, height: 200 });
    }
  });
  document.addEventListener("DOMContentLoaded", () => {
    drawAll();
    figures().forEach((figure) => sizes.observe(figure.querySelector(".plot")));
  });
  document.addEventListener("stripe:theme", drawAll);
  document.addEventListener("htmx:after:swap", () => figures().forEach((figure) => {
    if (figure.dataset.drawn !== version(figure)) draw(figure);
  }));
})();

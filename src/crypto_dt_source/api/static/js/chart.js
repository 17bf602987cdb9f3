// The chart library, loaded when the first chart is shown, in the colours of the page.

const SOURCE = new URL("../vendor/lightweight-charts.js", import.meta.url).href;
let loading = null;

/** The library; loaded once. Rejects where it is not to be had. */
export function library() {
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = SOURCE;
    script.onload = () => resolve(window.LightweightCharts);
    script.onerror = () => {
      loading = null;
      reject(new Error("The chart library could not be loaded."));
    };
    document.head.append(script);
  });
  return loading;
}

/** A colour of the page by its CSS variable: `colour("--up")`. */
export const colour = (variable) => getComputedStyle(document.documentElement).getPropertyValue(variable).trim();

function look() {
  return {
    layout: { background: { type: "solid", color: "transparent" }, textColor: colour("--soft"), fontFamily: colour("--font") || "sans-serif" },
    grid: { vertLines: { color: colour("--line") }, horzLines: { color: colour("--line") } },
    rightPriceScale: { borderColor: colour("--line") },
    timeScale: { borderColor: colour("--line"), timeVisible: true, secondsVisible: false },
  };
}

/**
 * A chart in a node, as wide as the node and of the height its CSS gives it: `{chart, repaint, stop}`. `repaint(f)` calls f
 * now and whenever the theme changes, for the colours of the series. `label` is what a screen reader says of it.
 */
export async function chart(node, label, options = {}) {
  const charts = await library();
  node.setAttribute("role", "img");
  node.setAttribute("aria-label", label);
  const made = charts.createChart(node, {
    autoSize: true, ...look(), ...options,
    localization: { locale: "en-US", ...options.localization },
  });
  const painters = new Set();
  const painted = () => {
    made.applyOptions(look());
    for (const painter of painters) painter();
  };
  document.addEventListener("themechange", painted);
  return {
    chart: made,
    repaint(painter) {
      painters.add(painter);
      painter();
    },
    stop() {
      document.removeEventListener("themechange", painted);
      made.remove();
    },
  };
}

/** Candles with volume below; `set(rows)` and `update(row)` take rows of GET /api/ohlcv. */
export async function candles(node, label) {
  const held = await chart(node, label, { crosshair: { mode: 0 } });
  const series = held.chart.addCandlestickSeries();
  const volume = held.chart.addHistogramSeries({ priceFormat: { type: "volume" }, priceScaleId: "" , lastValueVisible: false, priceLineVisible: false });
  volume.priceScale().applyOptions({ scaleMargins: { top: 0.82, bottom: 0 } });
  held.repaint(() => {
    const [up, down] = [colour("--up"), colour("--down")];
    series.applyOptions({ upColor: up, downColor: down, wickUpColor: up, wickDownColor: down, borderVisible: false });
    volume.applyOptions({ color: colour("--volume") });
  });
  const candle = (row) => ({ time: row.open_time_ms / 1000, open: row.open, high: row.high, low: row.low, close: row.close });
  const bar = (row) => ({ time: row.open_time_ms / 1000, value: row.volume ?? 0 });
  return {
    ...held,
    series,
    set(rows) {
      const sample = rows.at(-1)?.close ?? 1;
      const decimals = sample >= 1000 ? 2 : sample >= 1 ? 4 : Math.min(10, 3 - Math.floor(Math.log10(sample || 1)) + 1);
      series.applyOptions({ priceFormat: { type: "price", precision: decimals, minMove: 10 ** -decimals } });
      series.setData(rows.map(candle));
      volume.setData(rows.map(bar));
    },
    update(row) {
      series.update(candle(row));
      volume.update(bar(row));
    },
  };
}

/** A line or an area over days; `set([{time: "2026-11-22", value}])`. `write` formats values. */
export async function line(node, label, { area = false, variable = "--accent", write = null } = {}) {
  const held = await chart(node, label, write ? { localization: { priceFormatter: write } } : {});
  const series = area ? held.chart.addAreaSeries({ lineWidth: 2 }) : held.chart.addLineSeries({ lineWidth: 2 });
  held.repaint(() => {
    const ink = colour(variable);
    held.chart.timeScale().applyOptions({ timeVisible: false });
    series.applyOptions(area ? { lineColor: ink, topColor: `${ink}55`, bottomColor: `${ink}05` } : { color: ink });
  });
  return {
    ...held,
    series,
    set(points) {
      series.setData(points);
      held.chart.timeScale().fitContent();
    },
  };
}

// Bars over time, without a library. Read by a screen reader as a table.
import { useEffect, useId, useRef, useState } from "react";

export interface Series {
  label: string;
  fill: "fill-1" | "fill-2" | "fill-bad";
}

export interface Point {
  label: string; // under the bar
  title: string; // in full
  values: number[]; // one for each series, stacked from the bottom
}

interface Props {
  title: string;
  series: Series[];
  points: Point[];
  show: (value: number) => string;
  least?: number; // the top line is never below: half of it is to be a whole number where things are counted
}

const kHeight = 170;
const kBottom = 22;
const kLeft = 48;

// The least "round" number that is not below the highest bar.
function ceiling(highest: number): number {
  const power = 10 ** Math.floor(Math.log10(highest));
  return [1, 2, 4, 6, 8, 10].map((k) => k * power).find((top) => top >= highest) ?? highest;
}

// Drawn in real pixels, so that its text is as large as any other.
function useWidth() {
  const ref = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    if (ref.current === null) return;
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry?.contentRect.width ?? 0)));
    observer.observe(ref.current);
    return () => observer.disconnect();
  }, []);
  return [ref, width] as const;
}

export function BarChart({ title, series, points, show, least = 2 }: Props) {
  const id = useId();
  const [ref, width] = useWidth();
  const top = ceiling(Math.max(least, ...points.map((point) => point.values.reduce((a, b) => a + b, 0))));
  const step = (Math.max(width, kLeft + 100) - kLeft) / Math.max(points.length, 1);
  const bar = Math.max(2, Math.min(28, step * 0.68));
  const y = (value: number) => (kHeight - kBottom) * (1 - value / top) + 6;
  const every = Math.ceil(points.length / Math.max(2, Math.min(8, Math.floor(width / 70))));
  return (
    <figure className="card padded chart" aria-labelledby={id}>
      <div className="section-head">
        <h2 id={id}>{title}</h2>
        <div className="legend" aria-hidden="true">
          {series.map((each) => (
            <span key={each.label}>
              <i className={each.fill} />
              {each.label}
            </span>
          ))}
        </div>
      </div>
      <div ref={ref}>
        <svg width={width} height={kHeight + 6} aria-hidden="true">
          {[0, 0.5, 1].map((part) => (
            <g key={part}>
              <line className="grid" x1={kLeft} x2={width} y1={y(top * part)} y2={y(top * part)} />
              <text x={kLeft - 8} y={y(top * part) + 4} textAnchor="end">
                {show(top * part)}
              </text>
            </g>
          ))}
          {points.map((point, i) => {
            const x = kLeft + i * step + (step - bar) / 2;
            let below = 0;
            return (
              <g key={point.title}>
                <title>{`${point.title}: ${series.map((each, k) => `${each.label} ${show(point.values[k] ?? 0)}`).join(", ")}`}</title>
                <rect x={kLeft + i * step} y={0} width={step} height={kHeight - kBottom + 6} fill="transparent" />
                {point.values.map((value, k) => {
                  const from = below;
                  below += value;
                  return value <= 0 ? null : (
                    <rect
                      key={k}
                      className={series[k]?.fill}
                      x={x}
                      y={Math.min(y(below), y(from) - 1.5)}
                      width={bar}
                      height={Math.max(y(from) - y(below), 1.5)}
                      rx={Math.min(3, bar / 4)}
                    />
                  );
                })}
                {i % every === 0 && (
                  <text x={x + bar / 2} y={kHeight + 2} textAnchor="middle">
                    {point.label}
                  </text>
                )}
              </g>
            );
          })}
        </svg>
      </div>
      <div className="visually-hidden">
        <table>
          <caption>{title}</caption>
          <thead>
            <tr>
              <th scope="col">When</th>
              {series.map((each) => (
                <th key={each.label} scope="col">
                  {each.label}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {points.map((point) => (
              <tr key={point.title}>
                <th scope="row">{point.title}</th>
                {series.map((each, k) => (
                  <td key={each.label}>{show(point.values[k] ?? 0)}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </figure>
  );
}

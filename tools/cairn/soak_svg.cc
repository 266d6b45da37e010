#include "soak_svg.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <string_view>

#include <fmt/format.h>

namespace cairn::tools {
namespace {

using torture::SoakSample;

constexpr double kPanelWidth = 720;
constexpr double kPanelHeight = 130;
constexpr double kLeft = 90;
constexpr double kTop = 50;
constexpr double kPanelStep = kPanelHeight + 50;
constexpr double kMiB = 1024.0 * 1024.0;

struct PanelCurve {
  std::string name;
  std::string color;
  std::function<double(const SoakSample&)> value;
};
struct Panel {
  std::string name;
  std::string unit;
  double bound = 0;
  std::vector<PanelCurve> curves;  // the bound is for the last one
};

std::string xml_escaped(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      default:
        escaped += static_cast<unsigned char>(c) < 0x20 ? '?' : c;
    }
  }
  return escaped;
}

std::vector<Panel> panels_of(const torture::SoakBounds& bounds) {
  const auto mib = [](std::uint64_t bytes) { return static_cast<double>(bytes) / kMiB; };
  return {
      {"resident memory",
       " MiB",
       mib(bounds.memory_bytes),
       {{"", "#1f77b4", [=](const SoakSample& s) { return mib(s.memory_bytes); }}}},
      {"open descriptors",
       "",
       static_cast<double>(bounds.descriptors),
       {{"", "#9467bd", [](const SoakSample& s) { return static_cast<double>(s.descriptors); }}}},
      {"disk space",
       " MiB",
       mib(bounds.disk_bytes),
       {{"", "#2ca02c", [=](const SoakSample& s) { return mib(s.disk_bytes); }}}},
      {"recovery",
       " ms",
       bounds.recovery_cpu_ms,
       {{"by the clock", "#bbbbbb", [](const SoakSample& s) { return s.recovery_wall_ms; }},
        {"processor", "#d62728", [](const SoakSample& s) { return s.recovery_cpu_ms; }}}},
  };
}

void draw(const Panel& panel, const std::vector<SoakSample>& samples, double top,
          std::string* out) {
  const auto to = std::back_inserter(*out);
  double highest = 0;
  double most = 0;
  for (const PanelCurve& curve : panel.curves) {
    most = 0;
    for (const SoakSample& sample : samples) most = std::max(most, curve.value(sample));
    highest = std::max(highest, most);
  }
  const double scale = highest > 0 ? highest * 1.15 : 1;
  const double end = samples.empty() ? 1 : std::max(samples.back().seconds, 0.001);
  const double bottom = top + kPanelHeight;
  const auto y = [&](double value) { return bottom - kPanelHeight * value / scale; };

  std::string names;
  for (const PanelCurve& curve : panel.curves) {
    if (!curve.name.empty()) {
      fmt::format_to(std::back_inserter(names), "  <tspan fill='{}'>{}</tspan>", curve.color,
                     curve.name);
    }
  }
  fmt::format_to(to, "<text x='{}' y='{}'>{}: at most {:.1f} of {:.0f}{}{}</text>\n", kLeft,
                 top - 6, panel.name, most, panel.bound, panel.unit, names);
  fmt::format_to(to, "<rect x='{}' y='{}' width='{}' height='{}' class='frame'/>\n", kLeft, top,
                 kPanelWidth, kPanelHeight);
  for (const double part : {0.0, 0.5, 1.0}) {
    fmt::format_to(to, "<text x='{}' y='{:.1f}' text-anchor='end'>{:.1f}</text>\n", kLeft - 6,
                   y(scale * part) + 4, scale * part);
    fmt::format_to(to, "<text x='{:.1f}' y='{}' text-anchor='middle'>{:.0f} s</text>\n",
                   kLeft + kPanelWidth * part, bottom + 15, end * part);
  }
  if (panel.bound <= scale) {
    fmt::format_to(to, "<line x1='{0}' x2='{1}' y1='{2:.1f}' y2='{2:.1f}' class='bound'/>\n", kLeft,
                   kLeft + kPanelWidth, y(panel.bound));
  }
  for (const PanelCurve& curve : panel.curves) {
    fmt::format_to(to, "<polyline fill='none' stroke='{}' points='", curve.color);
    for (const SoakSample& sample : samples) {
      fmt::format_to(to, "{:.1f},{:.1f} ", kLeft + kPanelWidth * sample.seconds / end,
                     y(curve.value(sample)));
    }
    *out += "'/>\n";
  }
}

}  // namespace

std::string soak_svg(const std::vector<SoakSample>& samples, const torture::SoakBounds& bounds,
                     const std::string& title) {
  const std::vector<Panel> panels = panels_of(bounds);
  const double height = kTop + static_cast<double>(panels.size()) * kPanelStep;
  std::string out;
  fmt::format_to(std::back_inserter(out),
                 "<svg xmlns='http://www.w3.org/2000/svg' width='{0}' height='{1}' viewBox='0 0 "
                 "{0} {1}' font-family='sans-serif' font-size='12'>\n"
                 "<style>.frame{{fill:none;stroke:#888}}.bound{{stroke:#d62728;stroke-dasharray:6 "
                 "4}}</style>\n"
                 "<rect width='100%' height='100%' fill='white'/>\n"
                 "<text x='{2}' y='20' font-size='14'>{3}</text>\n",
                 kLeft + kPanelWidth + 40, height, kLeft, xml_escaped(title));
  for (std::size_t i = 0; i < panels.size(); ++i) {
    draw(panels[i], samples, kTop + static_cast<double>(i) * kPanelStep, &out);
  }
  return out + "</svg>\n";
}

}  // namespace cairn::tools

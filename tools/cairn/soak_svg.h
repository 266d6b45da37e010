// The curves of a soak as a picture (SVG).
#ifndef CAIRN_TOOLS_SOAK_SVG_H_
#define CAIRN_TOOLS_SOAK_SVG_H_

#include <string>
#include <vector>

#include <cairn/torture/soak_bounds.h>

namespace cairn::tools {

// Four panels over the time: memory, descriptors, disk space, recovery; each with its bound as a
// dashed line where that lies within the panel, and the largest value in words.
[[nodiscard]] std::string soak_svg(const std::vector<torture::SoakSample>& samples,
                                   const torture::SoakBounds& bounds, const std::string& title);

}  // namespace cairn::tools

#endif  // CAIRN_TOOLS_SOAK_SVG_H_

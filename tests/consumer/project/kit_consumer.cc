// Puts a resource manager that does not open before the conformance kit. Exit 0 if the kit says so.
#include <cstdio>

#include <cairn/rm_kit.h>

int main() {
  using namespace cairn;
  const rm_kit::Open open =
      [](const rm_kit::Surroundings&) -> Result<std::unique_ptr<rm_kit::Subject>> {
    return Status(StatusCode::kNotFound, "there is nothing to open");
  };
  const rm_kit::Report report = rm_kit::check(open);
  std::fputs(report.to_string().c_str(), stdout);
  return report.status && report.violations.size() == 1 && report.violations[0].rule == 1 ? 0 : 1;
}

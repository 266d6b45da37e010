// The parsers of short texts: names of files, identities, names of branches.
#include <string_view>

#include <cairn/uuid.h>

#include "archive/manifest.h"
#include "fuzz/fuzz_target.h"
#include "names/branch_name.h"
#include "names/xa_name.h"
#include "read/read_source.h"

namespace cairn::fuzz {

// What is taken is what is written, so that no two texts mean the same.
void fuzz_names(Input input) {
  const std::string_view text(reinterpret_cast<const char*>(input.data()), input.size());
  std::uint64_t number = 0;
  if (log::parse_container_file_name(text, &number)) {
    expect(log::container_file_name(number) == text, "a container's name is the one it is given");
  }
  if (log::parse_manifest_name(text, &number)) {
    expect(text.starts_with("manifest-") && text.ends_with(".cairn"), "a manifest's name is one");
  }
  if (const auto id = Uuid::parse(text)) {
    expect(Uuid::parse(id->to_string()) == id, "an identity is read as it is written");
  }
  if (const auto branch = rm::BranchName::parse(text)) {
    expect(branch->to_string() == text, "a branch's name is the one it is given");
  }
  if (const auto branch = rm::XaName::parse(text)) {
    expect(branch->to_string() == text, "a branch's XA name is the one it is given");
  }
}

}  // namespace cairn::fuzz

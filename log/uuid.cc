#include <uuid/uuid.h>

#include <cairn/uuid.h>

namespace cairn {

Uuid Uuid::generate() {
  Uuid id;
  uuid_generate_random(id.bytes.data());
  return id;
}

std::optional<Uuid> Uuid::parse(std::string_view text) {
  Uuid id;
  if (text.size() != 36 || uuid_parse(std::string(text).c_str(), id.bytes.data()) != 0) {
    return std::nullopt;
  }
  return id;
}

std::string Uuid::to_string() const {
  char text[37];
  uuid_unparse_lower(bytes.data(), text);
  return text;
}

}  // namespace cairn

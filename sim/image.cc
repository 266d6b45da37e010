#include <algorithm>
#include <cstring>

#include <cairn/sim/image.h>

namespace cairn::sim {

std::size_t Image::read(std::uint64_t offset, std::span<std::byte> out) const {
  if (offset >= size_) return 0;
  const std::size_t total = std::min<std::uint64_t>(out.size(), size_ - offset);
  for (std::size_t done = 0; done < total;) {
    const std::uint64_t at = offset + done;
    const std::uint64_t in_page = at % kPageSize;
    const std::size_t part = std::min<std::uint64_t>(kPageSize - in_page, total - done);
    const Page* page = pages_[at / kPageSize].get();
    if (page == nullptr) {
      std::memset(out.data() + done, 0, part);
    } else {
      std::memcpy(out.data() + done, page->data() + in_page, part);
    }
    done += part;
  }
  return total;
}

void Image::write(std::uint64_t offset, std::span<const std::byte> data) {
  resize(std::max(size_, offset + data.size()));
  for (std::size_t done = 0; done < data.size();) {
    const std::uint64_t at = offset + done;
    const std::uint64_t in_page = at % kPageSize;
    const std::size_t part = std::min<std::uint64_t>(kPageSize - in_page, data.size() - done);
    std::shared_ptr<const Page>& slot = pages_[at / kPageSize];
    auto page = slot ? std::make_shared<Page>(*slot) : std::make_shared<Page>();
    std::memcpy(page->data() + in_page, data.data() + done, part);
    slot = std::move(page);
    done += part;
  }
}

void Image::resize(std::uint64_t size) {
  pages_.resize((size + kPageSize - 1) / kPageSize);
  if (size < size_ && size % kPageSize != 0 && pages_.back() != nullptr) {
    auto page = std::make_shared<Page>(*pages_.back());
    std::fill(page->begin() + static_cast<std::ptrdiff_t>(size % kPageSize), page->end(),
              std::byte{0});
    pages_.back() = std::move(page);
  }
  size_ = size;
}

void Image::fill_zero(std::uint64_t size) {
  resize(std::max(size_, size));
  const std::uint64_t whole = size / kPageSize;
  std::fill(pages_.begin(), pages_.begin() + static_cast<std::ptrdiff_t>(whole), nullptr);
  const std::vector<std::byte> rest(size % kPageSize);
  if (!rest.empty()) write(whole * kPageSize, rest);
}

Sector Image::sector(std::uint64_t index) const {
  Sector out{};
  read(index * kSectorSize, out);
  return out;
}

}  // namespace cairn::sim

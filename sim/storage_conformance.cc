#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <set>
#include <utility>

#include <cairn/sim/storage_conformance.h>

namespace cairn::sim {

namespace {

using log::OpenMode;

constexpr std::uint64_t kFileSize = std::uint64_t{1} << 20;
constexpr std::size_t kUnit = 4096;  // fits every alignment that a log can have

// Memory at an address that is a multiple of kUnit.
class Buffer {
 public:
  explicit Buffer(std::size_t size, unsigned char byte = 0)
      : data_(static_cast<std::byte*>(std::aligned_alloc(kUnit, size))), size_(size) {
    std::memset(data_.get(), byte, size);
  }
  [[nodiscard]] std::span<std::byte> bytes() { return {data_.get(), size_}; }
  // Whether the first `size` bytes are all `byte`.
  [[nodiscard]] bool holds(unsigned char byte, std::size_t size) const {
    return std::all_of(data_.get(), data_.get() + size,
                       [&](std::byte one) { return one == std::byte{byte}; });
  }

 private:
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  std::unique_ptr<std::byte, Free> data_;
  std::size_t size_;
};

class Conformance {
 public:
  Conformance(log::Storage& storage, std::string path)
      : storage_(&storage), path_(std::move(path)) {}

  std::vector<std::string> run() {
    if (!check_directory()) return std::move(broken_);
    check_description();
    check_names();
    check_files();
    check_fill();
    check_lock();
    check_queue();
    return std::move(broken_);
  }

 private:
  void expect(bool kept, const std::string& rule) {
    if (!kept) broken_.push_back(rule);
  }
  void expect_code(const char* call, StatusCode expected, const Status& found) {
    expect(found.code() == expected, std::string(call) + ": expected " +
                                         std::string(status_code_name(expected)) + ", found " +
                                         found.to_string());
  }
  // Makes a file, or says why not and returns null.
  std::unique_ptr<log::File> make(const std::string& name) {
    auto file = directory_->open(name, OpenMode::kCreate);
    expect_code("open(kCreate) of a new name", StatusCode::kOk, file.status());
    return file.is_ok() ? std::move(*file) : nullptr;
  }

  bool check_directory() {
    expect_code("open_directory() of what is not there", StatusCode::kNotFound,
                storage_->open_directory(path_, false).status());
    auto made = storage_->open_directory(path_, true);
    expect_code("open_directory(create)", StatusCode::kOk, made.status());
    if (!made.is_ok()) return false;
    directory_ = std::move(*made);
    expect_code("open_directory() of what was made", StatusCode::kOk,
                storage_->open_directory(path_, false).status());
    const auto names = directory_->list();
    expect(names.is_ok() && names->empty(), "list(): expected nothing in a new directory");
    return true;
  }

  void check_description() {
    const log::StorageInfo info = storage_->describe(*directory_);
    const std::uint32_t unit = info.alignment;
    expect(!info.kind.empty(), "describe(): expected a kind");
    expect(unit > 0 && unit <= kUnit && (unit & (unit - 1)) == 0,
           "describe(): expected an alignment that is a power of two up to 4096, found " +
               std::to_string(unit));
    expect(unit <= std::max(info.physical_sector, info.logical_sector),
           "describe(): expected an alignment of at most the physical sector");
    std::set<std::uint64_t> numbers;
    for (int i = 0; i < 1000; ++i) numbers.insert(storage_->random());
    expect(numbers.size() == 1000, "random(): expected another value at each call");
  }

  void check_names() {
    expect_code("open(kRead) of no file", StatusCode::kNotFound,
                directory_->open("none", OpenMode::kRead).status());
    expect_code("open(kReadWrite) of no file", StatusCode::kNotFound,
                directory_->open("none", OpenMode::kReadWrite).status());
    (void)make("a");
    (void)make("b");
    expect_code("open(kCreate) of a name that is there", StatusCode::kAlreadyExists,
                directory_->open("a", OpenMode::kCreate).status());
    expect_code("rename() onto a name that is there", StatusCode::kAlreadyExists,
                directory_->rename("a", "b"));
    expect_code("rename() of no file", StatusCode::kNotFound, directory_->rename("none", "c"));
    expect_code("rename()", StatusCode::kOk, directory_->rename("a", "c"));
    expect_code("remove() of no file", StatusCode::kNotFound, directory_->remove("a"));
    expect_code("sync_directory()", StatusCode::kOk, directory_->sync_directory());
    auto names = directory_->list();
    if (names.is_ok()) std::sort(names->begin(), names->end());
    expect(names.is_ok() && *names == std::vector<std::string>{"b", "c"},
           "list(): expected the names as they were made, renamed and removed");
    expect_code("remove()", StatusCode::kOk, directory_->remove("c"));
    expect_code("open(kRead) of a removed file", StatusCode::kNotFound,
                directory_->open("c", OpenMode::kRead).status());
  }

  void check_files() {
    const auto file = make("file");
    if (file == nullptr) return;
    expect(!file->name().empty(), "File::name(): expected one");
    expect_size(*file, 0);
    Buffer ones(2 * kUnit, 1);
    Buffer twos(kUnit, 2);
    Buffer into(4 * kUnit, 9);
    expect_code("File::write()", StatusCode::kOk, file->write(0, ones.bytes()));
    expect_code("File::write() behind the end", StatusCode::kOk,
                file->write(3 * kUnit, twos.bytes()));
    expect_code("File::sync()", StatusCode::kOk, file->sync());
    expect_size(*file, 4 * kUnit);
    expect_read(*file, 0, into.bytes().first(2 * kUnit), 2 * kUnit);
    expect(into.holds(1, 2 * kUnit), "File::read(): expected the bytes that were written");
    expect_read(*file, 2 * kUnit, into.bytes().first(kUnit), kUnit);
    expect(into.holds(0, kUnit), "File::read(): expected zeros where nothing was written");
    expect_read(*file, 3 * kUnit, into.bytes(), kUnit);
    expect(into.holds(2, kUnit), "File::read(): expected the bytes up to the file's end");
    expect_read(*file, 8 * kUnit, into.bytes(), 0);
    const auto reader = directory_->open("file", OpenMode::kRead);
    expect_code("open(kRead)", StatusCode::kOk, reader.status());
    if (!reader.is_ok()) return;
    expect(!(*reader)->write(0, ones.bytes()).is_ok(),
           "File::write(): expected a refusal by a file that was opened for reading");
    expect_read(**reader, 0, into.bytes().first(kUnit), kUnit);
    expect(into.holds(1, kUnit), "File::read(): expected what another handle wrote and synced");
  }

  void expect_size(const log::File& file, std::uint64_t expected) {
    const auto size = file.size();
    expect(size.is_ok() && *size == expected,
           "File::size(): expected " + std::to_string(expected) + ", found " +
               (size.is_ok() ? std::to_string(*size) : size.status().to_string()));
  }
  void expect_read(const log::File& file, std::uint64_t offset, std::span<std::byte> out,
                   std::size_t expected) {
    const auto got = file.read(offset, out);
    expect(got.is_ok() && *got == expected,
           "File::read() at " + std::to_string(offset) + ": expected " + std::to_string(expected) +
               " bytes, found " + (got.is_ok() ? std::to_string(*got) : got.status().to_string()));
  }

  void check_fill() {
    const auto file = make("filled");
    if (file == nullptr) return;
    Buffer ones(kUnit, 1);
    expect_code("File::write()", StatusCode::kOk, file->write(0, ones.bytes()));
    expect_code("fill_zero()", StatusCode::kOk, directory_->fill_zero(*file, kFileSize));
    expect_size(*file, kFileSize);
    Buffer into(kUnit, 9);
    for (const std::uint64_t at : {std::uint64_t{0}, kFileSize / 2, kFileSize - kUnit}) {
      expect_read(*file, at, into.bytes(), kUnit);
      expect(into.holds(0, kUnit), "fill_zero(): expected zeros everywhere");
    }
  }

  void check_lock() {
    using std::chrono::milliseconds;
    auto held = directory_->lock("file", milliseconds(0));
    expect_code("lock()", StatusCode::kOk, held.status());
    const auto other = storage_->open_directory(path_, false);
    if (!held.is_ok() || !other.is_ok()) return;
    expect_code("lock() of what is locked", StatusCode::kLocked,
                (*other)->lock("file", milliseconds(1)).status());
    const auto made = directory_->open("other", OpenMode::kCreate);
    expect_code("open(kCreate)", StatusCode::kOk, made.status());
    expect_code("lock() of another file of a locked directory", StatusCode::kLocked,
                (*other)->lock("other", milliseconds(1)).status());
    expect_code("remove() of the locked file", StatusCode::kOk, directory_->remove("file"));
    expect_code("lock() after the locked file was removed", StatusCode::kLocked,
                (*other)->lock("other", milliseconds(1)).status());
    expect_code("remove()", StatusCode::kOk, directory_->remove("other"));
    expect_code("open(kCreate)", StatusCode::kOk,
                directory_->open("file", OpenMode::kCreate).status());
    held->reset();
    expect_code("lock() of what was released", StatusCode::kOk,
                (*other)->lock("file", milliseconds(1000)).status());
    expect_code("lock() of no file", StatusCode::kNotFound,
                directory_->lock("none", milliseconds(0)).status());
  }

  // As many writes as the queue takes, each to a place of its own; then a sync; all of it some
  // rounds.
  void check_queue() {
    const auto file = directory_->open("filled", OpenMode::kReadWrite);
    const auto lock = directory_->lock("file", std::chrono::milliseconds(1000));
    expect_code("open(kReadWrite)", StatusCode::kOk, file.status());
    if (!file.is_ok() || !lock.is_ok()) return;
    auto queue = directory_->make_queue(8, lock->get());
    expect_code("make_queue()", StatusCode::kOk, queue.status());
    if (!queue.is_ok()) return;
    const unsigned depth = (*queue)->depth();
    expect(depth >= 1, "IoQueue::depth(): expected at least 1");
    if (depth < 1) return;
    log::Completion none;
    const auto idle = (*queue)->reap({&none, 1}, false);
    expect(idle.is_ok() && *idle == 0, "reap(): expected nothing while nothing is in flight");
    for (unsigned round = 1; round <= 3; ++round) {
      std::vector<std::unique_ptr<Buffer>> buffers;
      std::set<std::uint64_t> tags;
      for (unsigned i = 0; i < depth; ++i) {
        const auto byte = static_cast<unsigned char>(round * 50 + i);
        buffers.push_back(std::make_unique<Buffer>(kUnit, byte));
        expect_code("submit_write()", StatusCode::kOk,
                    (*queue)->submit_write(**file, i * kUnit, buffers.back()->bytes(),
                                           round % 2 == 1, tag_of(round, i)));
        tags.insert(tag_of(round, i));
      }
      reap_all(**queue, std::move(tags));
      expect_code("submit_sync()", StatusCode::kOk, (*queue)->submit_sync(**file, 7));
      reap_all(**queue, {7});
      for (unsigned i = 0; i < depth; ++i) {
        Buffer into(kUnit, 9);
        expect_read(**file, i * kUnit, into.bytes(), kUnit);
        expect(into.holds(static_cast<unsigned char>(round * 50 + i), kUnit),
               "submit_write(): expected its bytes in the file once it completed");
      }
    }
    check_write_now(**queue, **file);
  }
  // Beside a request in flight, whose completion it leaves to reap().
  void check_write_now(log::IoQueue& queue, log::File& file) {
    if (!queue.can_write_now() || queue.depth() < 2) return;
    Buffer flying(kUnit, 201);
    Buffer now(kUnit, 202);
    expect_code("submit_write()", StatusCode::kOk,
                queue.submit_write(file, 0, flying.bytes(), true, 11));
    expect_code("write_now()", StatusCode::kOk, queue.write_now(file, kUnit, now.bytes(), true));
    Buffer into(kUnit, 9);
    expect_read(file, kUnit, into.bytes(), kUnit);
    expect(into.holds(202, kUnit), "write_now(): expected its bytes in the file");
    reap_all(queue, {11});
  }
  static std::uint64_t tag_of(unsigned round, unsigned i) { return round * 1000 + i; }

  void reap_all(log::IoQueue& queue, std::set<std::uint64_t> tags) {
    while (!tags.empty()) {
      log::Completion ended[4];
      const auto count = queue.reap(ended, true);
      expect_code("reap()", StatusCode::kOk, count.status());
      if (!count.is_ok()) return;
      if (*count == 0 || *count > 4) {
        return expect(false, "reap() with wait: expected 1 to 4 completions, found " +
                                 std::to_string(*count));
      }
      for (std::size_t i = 0; i < *count; ++i) {
        expect(tags.erase(ended[i].tag) == 1,
               "reap(): expected each request once, found tag " + std::to_string(ended[i].tag));
        expect_code("a request", StatusCode::kOk, ended[i].status);
      }
    }
  }

  log::Storage* storage_;
  std::string path_;
  std::unique_ptr<log::Directory> directory_;
  std::vector<std::string> broken_;
};

}  // namespace

std::vector<std::string> check_storage(log::Storage& storage, const std::string& path) {
  return Conformance(storage, path).run();
}

}  // namespace cairn::sim

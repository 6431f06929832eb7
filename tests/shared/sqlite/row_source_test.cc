#include "shared/sqlite/row_source.h"

#include <string>
#include <vector>

#include "shared/base/status.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test.h"

namespace aurora::sqlite {
namespace {

// Ids 1 to `last` with a text each; the range it was asked for is kept.
struct Numbers final : RowSource {
  class Cursor final : public RowCursor {
   public:
    Cursor(int64_t at, int64_t end, int64_t step, int64_t broken)
        : at_(at), end_(end), step_(step), broken_(broken) {}
    absl::StatusOr<bool> Next() override {
      at_ += step_;
      if (at_ == broken_) {
        return DataLoss("row is broken");
      }
      text_ = at_ % 2 == 0 ? "" : "odd";
      return at_ != end_;
    }
    Cell Column(int column) const override {
      return column == 0 ? Cell(at_) : Cell(text_.empty() ? std::string_view() : std::string_view(text_));
    }

   private:
    int64_t at_;
    const int64_t end_, step_, broken_;
    std::string text_;
  };

  explicit Numbers(int64_t broken) : broken_(broken) {}
  absl::StatusOr<std::unique_ptr<RowCursor>> Scan(const Connection&, const IdRange& range) const override {
    asked = range;
    const int64_t first = std::max<int64_t>(range.first, 1);
    const int64_t last = std::min<int64_t>(range.last, 9);
    return range.descending ? std::make_unique<Cursor>(last + 1, first - 1, -1, broken_)
                            : std::make_unique<Cursor>(first - 1, last + 1, 1, broken_);
  }
  const int64_t broken_;
  static inline IdRange asked;
};

Database Open(const std::string& path, int64_t broken = -7) {
  Options options;
  options.create = true;
  absl::StatusOr<Database> db = Database::Open(path, options);
  REQUIRE(db.ok());
  REQUIRE(Expose(*db, "numbers", "id, parity", std::make_unique<Numbers>(broken)).ok());
  return *std::move(db);
}

std::string Ids(Database& db, const std::string& sql) {
  auto select = db.Prepare(sql);
  REQUIRE(select.ok());
  std::string out;
  while (*select->Step()) {
    out += std::to_string(select->Int64(0)) + " ";
  }
  return out;
}

TEST_CASE("a WHERE and an ORDER BY on the id reach the source, and the answer is SQL's") {
  const testing::TempDir dir;
  Database db = Open(dir.Path("a.db"));
  CHECK(Ids(db, "SELECT id FROM numbers") == "1 2 3 4 5 6 7 8 9 ");
  CHECK(Ids(db, "SELECT id FROM numbers WHERE id > 3 AND id <= 6") == "4 5 6 ");
  CHECK(Numbers::asked.first == 3);
  CHECK(Numbers::asked.last == 6);
  CHECK(Ids(db, "SELECT id FROM numbers WHERE id < 4 ORDER BY id DESC LIMIT 2") == "3 2 ");
  CHECK(Numbers::asked.descending);
  CHECK(Ids(db, "SELECT id FROM numbers WHERE id = 5") == "5 ");
  CHECK(Numbers::asked.first == 5);
  CHECK(Ids(db, "SELECT id FROM numbers WHERE id < 'text'") == "1 2 3 4 5 6 7 8 9 ");
  CHECK(Ids(db, "SELECT id FROM numbers WHERE id >= 7.5") == "8 9 ");
  CHECK(Ids(db, "SELECT id FROM numbers WHERE id = NULL").empty());
  CHECK(Ids(db, "SELECT max(id) FROM numbers GROUP BY parity ORDER BY parity DESC") == "9 8 ");
  CHECK(Ids(db, "SELECT count(*) FROM numbers a JOIN numbers b ON b.id = a.id") == "9 ");
}

TEST_CASE("an empty text is a text and not NULL, even without an address") {
  const testing::TempDir dir;
  Database db = Open(dir.Path("a.db"));
  CHECK(*db.QueryInt64("SELECT count(*) FROM numbers WHERE parity IS NULL") == 0);
  CHECK(*db.QueryInt64("SELECT count(*) FROM numbers WHERE parity = ''") == 4);
}

TEST_CASE("an error of the source ends the statement with its code and its words") {
  const testing::TempDir dir;
  Database db = Open(dir.Path("a.db"), 5);
  const absl::Status status = db.QueryInt64("SELECT count(*) FROM numbers").status();
  CHECK(absl::IsDataLoss(status));
  CHECK(std::string(Std(status.message())).find("row is broken") != std::string::npos);
  CHECK(*db.QueryInt64("SELECT count(*) FROM numbers WHERE id > 6") == 3);
}

TEST_CASE("a real table of the name hides the source until it is gone") {
  const testing::TempDir dir;
  Database db = Open(dir.Path("a.db"));
  REQUIRE(db.Execute("CREATE TABLE numbers (id)").ok());
  CHECK(*db.QueryInt64("SELECT count(*) FROM numbers") == 0);
  REQUIRE(db.Execute("DROP TABLE numbers").ok());
  CHECK(*db.QueryInt64("SELECT count(*) FROM numbers") == 9);
}

}  // namespace
}  // namespace aurora::sqlite

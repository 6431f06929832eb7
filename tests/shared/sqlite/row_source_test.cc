#include "shared/sqlite/row_source.h"

#include <string>
#include <vector>

#include "tests/support/temp_dir.h"
#include "tests/support/test.h"

namespace aurora::sqlite {
namespace {

// Rows of (number, text).
class Numbers final : public RowSource {
 public:
  void Rewind() override { at_ = SIZE_MAX; }
  bool Next() override { return ++at_ < rows.size(); }
  Cell Column(int column) const override {
    return column == 0 ? Cell(rows[at_].first) : Cell(std::string_view(rows[at_].second));
  }
  std::vector<std::pair<int64_t, std::string>> rows;

 private:
  size_t at_ = SIZE_MAX;
};

Database Open(const std::string& path) {
  Options options;
  options.create = true;
  absl::StatusOr<Database> db = Database::Open(path, options);
  REQUIRE(db.ok());
  REQUIRE(db->Execute("CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, n, s)").ok());
  return *std::move(db);
}

TEST_CASE("rows in memory are inserted by one statement, as often as it runs") {
  const testing::TempDir dir;
  Numbers numbers;
  Database db = Open(dir.Path("a.db"));
  REQUIRE(Expose(db, "numbers", 2, numbers).ok());
  auto insert = db.Prepare("INSERT INTO t (n, s) SELECT c0, c1 || ?1 FROM numbers");
  REQUIRE(insert.ok());
  for (const auto& batch : {std::vector<std::pair<int64_t, std::string>>{{1, "one"}, {2, ""}},
                            std::vector<std::pair<int64_t, std::string>>{},
                            std::vector<std::pair<int64_t, std::string>>{{INT64_MIN, "three"}}}) {
    numbers.rows = batch;
    REQUIRE(insert->BindText(1, "!").Run().ok());
    CHECK((batch.empty() || db.Changes() == static_cast<int64_t>(batch.size())));
  }
  auto select = db.Prepare("SELECT id, n, s FROM t ORDER BY id");
  REQUIRE(select.ok());
  std::string seen;
  while (*select->Step()) {
    seen += std::to_string(select->Int64(0)) + ":" + std::to_string(select->Int64(1)) + ":" +
            std::string(select->Text(2)) + " ";
  }
  CHECK(seen == "1:1:one! 2:2:! 3:-9223372036854775808:three! ");
}

TEST_CASE("an empty text is a text and not NULL, even without an address") {
  const testing::TempDir dir;
  class Nothing final : public RowSource {
   public:
    void Rewind() override { left_ = 1; }
    bool Next() override { return left_-- > 0; }
    Cell Column(int) const override { return std::string_view(); }

   private:
    int left_ = 0;
  };
  Nothing nothing;
  Database db = Open(dir.Path("a.db"));
  REQUIRE(Expose(db, "blank", 1, nothing).ok());
  CHECK(*db.QueryInt64("SELECT count(*) FROM blank WHERE c0 IS NULL") == 0);
  CHECK(*db.QueryInt64("SELECT count(*) FROM blank WHERE c0 = ''") == 1);
}

TEST_CASE("a row that the table refuses takes the whole statement back") {
  const testing::TempDir dir;
  Numbers numbers;
  Database db = Open(dir.Path("a.db"));
  REQUIRE(db.Execute("CREATE UNIQUE INDEX u ON t (n)").ok());
  REQUIRE(Expose(db, "numbers", 2, numbers).ok());
  auto insert = db.Prepare("INSERT INTO t (n, s) SELECT c0, c1 FROM numbers");
  REQUIRE(insert.ok());
  numbers.rows = {{1, "a"}, {2, "b"}, {1, "c"}};
  CHECK_FALSE(insert->Run().ok());
  CHECK(*db.QueryInt64("SELECT count(*) FROM t") == 0);
  numbers.rows = {{1, "a"}};
  CHECK(insert->Run().ok());
  CHECK(*db.QueryInt64("SELECT count(*) FROM t") == 1);
}

}  // namespace
}  // namespace aurora::sqlite

#include "value/page.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "value/page_testing.h"

namespace diskdb::value {
namespace {

constexpr std::uint8_t kKeyBytes[] = {0, 8, 16};

std::string from_hex(Bytes hex) {
  std::string bytes;
  unsigned digits = 0;
  unsigned value = 0;
  for (const char c : hex) {
    if (c == ' ') continue;
    value = value * 16 + static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10);
    if (++digits % 2 == 0) bytes.push_back(static_cast<char>(value & 255U));
  }
  return bytes;
}

// ---- The examples of docs/format/page.md.

TEST(PageFormat, ListOfTwo) {
  TestPage page({.key_bytes = 0});
  page.insert(0, {}, Entry::whole("b"));
  page.insert(0, {}, Entry::whole("ax"));
  EXPECT_EQ(page.bytes(), from_hex("01 04 02 00 03 00 00 00 61 78 62 02 01"));
  EXPECT_TRUE(verify_page(page.bytes()).ok());
}

TEST(PageFormat, SetWithTags) {
  TestPage page({.key_bytes = 1});
  page.insert(0, {}, Entry::whole("member:two"));
  page.insert(0, {}, Entry::whole("a"));
  EXPECT_EQ(page.bytes(), from_hex("01 07 02 00 0b 00 00 00 61 6d 65 6d 62 65 72 3a 74 77 6f "
                                   "91 c9 01 0a"));
  EXPECT_TRUE(verify_page(page.bytes()).ok());
}

TEST(PageFormat, EntriesWithShortKeys) {
  TestPage page({.key_bytes = 8}, 0, KeyForm::kShort);
  page.insert(0, {1'700'000'000'000, 0}, Entry::whole("ax"));
  page.insert(1, {1'700'000'000'258, 0}, Entry::whole("b"));
  EXPECT_EQ(page.bytes(), from_hex("01 45 02 00 03 00 00 00 61 78 62 00 00 00 00 02 01 00 00 "
                                   "02 01 00 68 e5 cf 8b 01 00 00"));
  EXPECT_TRUE(verify_page(page.bytes()).ok());
}

TEST(PageFormat, FieldByHash) {
  TestPage page({.key_bytes = 8, .is_pairs = true});
  page.insert(0, {0x0807060504030201, 0}, Entry::pair("f", "vw"));
  EXPECT_EQ(page.bytes(),
            from_hex("01 25 01 00 04 00 00 00 01 66 76 77 01 02 03 04 05 06 07 08 04"));
  EXPECT_TRUE(verify_page(page.bytes()).ok());
}

TEST(PageFormat, FieldWithAnExpiry) {
  TestPage page({.key_bytes = 0, .is_pairs = true});
  page.insert(0, {}, Entry::pair("f", "vw", Millis{1'700'000'000'000}));
  EXPECT_EQ(page.bytes(),
            from_hex("01 24 01 00 0e 00 00 00 80 00 00 68 e5 cf 8b 01 00 00 01 66 76 77 0e"));
  EXPECT_TRUE(verify_page(page.bytes()).ok());
  EXPECT_EQ(split_pair(page.view().entry(0)).expiry.count, 1'700'000'000'000);
}

TEST(PageFormat, InnerById) {
  TestPage page({.key_bytes = 16, .is_inner = true});
  page.insert(0, {}, Entry::whole({}), {7, 300});
  page.insert(1, {1, 2}, Entry::whole({}), {9, 5});
  EXPECT_EQ(page.bytes(), from_hex("01 12 02 00 00 00 00 00"
                                   "07 00 00 00 00 00 2c 01 00 00 00 00"
                                   "09 00 00 00 00 00 05 00 00 00 00 00"
                                   "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00"
                                   "01 00 00 00 00 00 00 00 02 00 00 00 00 00 00 00"));
  EXPECT_TRUE(verify_page(page.bytes()).ok());
}

TEST(PageFormat, LongEntry) {
  TestPage page({.key_bytes = 0});
  page.insert(0, {}, Entry::whole(std::string(256, 'x')));
  page.insert(1, {}, Entry::whole("y"));
  EXPECT_EQ(page.bytes(), from_hex("01 08 02 00 01 01 00 00") + std::string(256, 'x') + "y" +
                              from_hex("00 01 01 00"));
  EXPECT_TRUE(verify_page(page.bytes()).ok());
}

// ---- Against a model.

/// When keys are to be short.
constexpr std::uint64_t kFirstNearKey = 1'700'000'000'000;

struct Model {
  struct Element {
    PageKey key;
    std::string first;
    std::string second;
    PageLink link;
    Millis expiry{};
  };
  PageShape shape;
  std::vector<Element> elements;

  Entry entry(const Element& e) const {
    return shape.is_pairs ? Entry::pair(e.first, e.second, e.expiry) : Entry::whole(e.first);
  }
};

void expect_equal(const Model& model, const TestPage& page) {
  const Status status = verify_page(page.bytes());
  ASSERT_TRUE(status.ok()) << status.error().message;
  const PageView view = page.view();
  ASSERT_EQ(view.count(), model.elements.size());
  ASSERT_EQ(view.shape(), model.shape);
  PageWalk walk(view);
  std::uint64_t links = 0;
  for (std::size_t i = 0; i < view.count(); ++i, walk.next()) {
    const Model::Element& expected = model.elements[i];
    ASSERT_EQ(view.key(i), expected.key);
    ASSERT_EQ(walk.entry(), view.entry(i));
    ASSERT_EQ(view.tail(i), expected.first);
    if (model.shape.is_pairs) {
      ASSERT_EQ(split_pair(view.entry(i)).value, expected.second);
      ASSERT_EQ(split_pair(view.entry(i)).expiry, expected.expiry);
    }
    if (model.shape.is_inner) {
      ASSERT_EQ(view.link(i), expected.link);
      ASSERT_EQ(view.sum_of_links(0, i), links);
      links += expected.link.count;
    }
    ASSERT_LE(view.find_tail(expected.first), i);
    ASSERT_EQ(view.find_tail(expected.first, i), i);
    ASSERT_EQ(view.find_tail_near(expected.first, i), i);
    ASSERT_EQ(view.find_tail_near("an entry that is not there", i), view.count());
  }
  ASSERT_EQ(view.find_tail_near("an entry that is not there", view.count()), view.count());
  ASSERT_TRUE(walk.is_at_end());
  ASSERT_EQ(view.find_tail("an entry that is not there"), view.count());
}

std::size_t random_length(Numbers* numbers) {
  switch (numbers->below(40)) {
    case 0:
      return 200 + numbers->below(400);
    case 1:
      return numbers->below(3) == 0 ? 65'400 + numbers->below(300) : 0;
    default:
      return numbers->below(30);
  }
}

Model::Element random_element(PageShape shape, Numbers* numbers) {
  Model::Element element;
  if (shape.key_bytes >= 8) element.key.high = numbers->next();
  if (shape.key_bytes == 16) element.key.low = numbers->next();
  element.first = numbers->text(random_length(numbers));
  if (shape.key_bytes == 1) element.key.high = tag_of(element.first);
  if (shape.is_pairs) element.second = numbers->text(random_length(numbers));
  if (shape.is_pairs && numbers->below(3) == 0) {
    element.expiry.count = static_cast<std::int64_t>(1 + numbers->below(INT64_MAX));
  }
  if (shape.is_inner) {
    element.link = {1 + numbers->below(kPageNumberMax), 1 + numbers->below(1U << 30U)};
  }
  return element;
}

/// Of how many steps keys were short after.
int run_model(PageShape shape, std::uint64_t seed, KeyForm keys = KeyForm::kWhole) {
  Numbers numbers(seed);
  Model model{shape, {}};
  TestPage page(shape, 0, keys);
  int short_count = 0;
  for (int step = 0; step < 400; ++step) {
    const std::size_t count = model.elements.size();
    const std::size_t what = count == 0 ? 0 : numbers.below(10);
    if (what < 6) {
      const bool has_near_key = keys == KeyForm::kShort && numbers.below(40) != 0;
      const std::size_t at = has_near_key ? count : numbers.below(count + 1);
      Model::Element element = random_element(shape, &numbers);
      if (has_near_key) element.key.high = kFirstNearKey + static_cast<std::uint64_t>(step) * 1000;
      page.insert(at, element.key, model.entry(element), element.link);
      model.elements.insert(model.elements.begin() + static_cast<std::ptrdiff_t>(at), element);
    } else if (what == 6) {
      const std::size_t first = numbers.below(count);
      const std::size_t erased = numbers.below(std::min<std::size_t>(count - first, 8) + 1);
      page.erase(first, erased);
      const auto from = model.elements.begin() + static_cast<std::ptrdiff_t>(first);
      model.elements.erase(from, from + static_cast<std::ptrdiff_t>(erased));
    } else if (what == 7) {
      const std::size_t at = numbers.below(count);
      const Model::Element element = random_element(shape, &numbers);
      page.replace(at, model.entry(element));
      model.elements[at].first = element.first;
      model.elements[at].second = element.second;
      model.elements[at].expiry = element.expiry;
      if (shape.key_bytes == 1) model.elements[at].key = element.key;
    } else if (what == 8 && shape.key_bytes != 1 && keys == KeyForm::kWhole) {
      const std::size_t at = numbers.below(count);
      const Model::Element element = random_element(shape, &numbers);
      page.set_key(at, element.key);
      model.elements[at].key = element.key;
      if (shape.is_inner) {
        page.set_link(at, element.link);
        model.elements[at].link = element.link;
        const std::int64_t by = element.link.count > 0 ? -1 : 1;
        page.add_to_count(at, by);
        model.elements[at].link.count += static_cast<std::uint64_t>(by);
      }
    } else {  // two halves put together are the whole
      const std::size_t middle = numbers.below(count + 1);
      TestPage left(shape, page.view().longest(0, middle), keys);
      left.append(page, 0, middle);
      TestPage right(shape, 0, numbers.below(2) == 0 ? keys : KeyForm::kWhole);
      right.append(page, middle, count);
      left.append(right, 0, count - middle);
      page = left;
    }
    expect_equal(model, page);
    if (::testing::Test::HasFatalFailure()) {
      ADD_FAILURE() << "seed " << seed << ", step " << step;
      break;
    }
    if (page.view().has_short_keys()) ++short_count;
  }
  return short_count;
}

TEST(Page, IsWhatAVectorIs) {
  for (const std::uint8_t key_bytes : kKeyBytes) {
    for (std::uint64_t seed = 0; seed < 10; ++seed) {
      run_model({.key_bytes = key_bytes}, seed);
      run_model({.key_bytes = key_bytes, .is_pairs = true}, seed);
      run_model({.key_bytes = key_bytes, .is_inner = true}, seed);
    }
  }
  for (std::uint64_t seed = 0; seed < 10; ++seed) run_model({.key_bytes = 1}, seed);
}

TEST(Page, WithShortKeysIsWhatAVectorIs) {
  int short_count = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    short_count += run_model({.key_bytes = 8}, seed, KeyForm::kShort);
  }
  EXPECT_GT(short_count, 20 * 20);
  EXPECT_LT(short_count, 20 * 380);
}

TEST(Page, KeysAreShortAsLongAsTheyFit) {
  const auto after = [](std::uint64_t first, std::uint64_t second) {
    TestPage page({.key_bytes = 8}, 0, KeyForm::kShort);
    page.insert(0, {first, 0}, Entry::whole("x"));
    const std::size_t size = page.bytes().size();
    page.insert(1, {second, 0}, Entry::whole("y"));
    EXPECT_EQ(page.view().key(0).high, first);
    EXPECT_EQ(page.view().key(1).high, second);
    EXPECT_TRUE(verify_page(page.bytes()).ok());
    EXPECT_EQ(page.bytes().size() - size, 6U);  // of one alone the base saves nothing
    return page.view().has_short_keys();
  };
  EXPECT_TRUE(after(kFirstNearKey, kFirstNearKey));
  EXPECT_TRUE(after(kFirstNearKey, kFirstNearKey + UINT32_MAX));
  EXPECT_FALSE(after(kFirstNearKey, kFirstNearKey + UINT32_MAX + 1));
  EXPECT_FALSE(after(kFirstNearKey, kFirstNearKey - 1));
  EXPECT_TRUE(after(UINT64_MAX, UINT64_MAX - UINT32_MAX));  // the greatest base
  EXPECT_FALSE(after(UINT64_MAX, UINT64_MAX - UINT32_MAX - 1));
  TestPage page({.key_bytes = 8}, 0, KeyForm::kShort);
  page.insert(0, {kFirstNearKey, 0}, Entry::whole("x"));
  page.erase(0, 1);
  page.insert(0, {1, 0}, Entry::whole("x"));  // another base
  EXPECT_TRUE(page.view().has_short_keys());
  EXPECT_EQ(page.view().key(0).high, 1U);
}

TEST(Page, FindsByKeyAndTail) {
  for (const std::uint8_t key_bytes : kKeyBytes) {
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
      Numbers numbers(seed);
      const bool is_short = key_bytes == 8 && seed % 4 == 0;
      const PageShape shape{.key_bytes = key_bytes, .is_pairs = seed % 2 == 1};
      const std::size_t key_count = 1 + numbers.below(50);
      std::vector<std::pair<PageKey, std::string>> model;
      const auto random_key = [&] {
        PageKey key;
        if (key_bytes >= 8) key.high = numbers.below(key_count) << (is_short ? 8U : 60U);
        if (key_bytes == 16) key.low = numbers.below(3);
        return std::pair(key, numbers.text(numbers.below(3)));
      };
      for (std::size_t i = numbers.below(200); i > 0; --i) model.push_back(random_key());
      std::sort(model.begin(), model.end());
      model.erase(std::unique(model.begin(), model.end()), model.end());
      TestPage page(shape, 0, is_short ? KeyForm::kShort : KeyForm::kWhole);
      for (std::size_t i = 0; i < model.size(); ++i) {
        const auto& [key, tail] = model[i];
        page.insert(i, key, shape.is_pairs ? Entry::pair(tail, "value") : Entry::whole(tail));
      }
      EXPECT_TRUE(is_ordered(page.view()));
      EXPECT_EQ(page.view().has_short_keys(), is_short);
      for (int i = 0; i < 100; ++i) {
        auto sought = random_key();
        if (is_short && i % 10 == 0) sought.first.high = numbers.next();
        const auto expected = std::lower_bound(model.begin(), model.end(), sought);
        const auto found = page.view().lower_bound(sought.first, sought.second);
        ASSERT_EQ(found.index, static_cast<std::size_t>(expected - model.begin()));
        ASSERT_EQ(found.is_equal, expected != model.end() && *expected == sought);
        const std::size_t guess = numbers.below(model.size() + 2);
        const auto guessed = page.view().lower_bound(sought.first, sought.second, 0, guess);
        ASSERT_EQ(guessed.index, found.index);
        ASSERT_EQ(guessed.is_equal, found.is_equal);
      }
      if (model.size() < 2 || is_short) continue;
      const std::size_t at = numbers.below(model.size() - 1);
      page.set_key(at, {UINT64_MAX, UINT64_MAX});
      EXPECT_EQ(is_ordered(page.view()), key_bytes == 0);
    }
  }
}

// There are 256 tags, so that some of 2000 members have each.
TEST(Page, FindsAmongThoseWithTheSameTag) {
  TestPage page({.key_bytes = 1});
  for (int i = 0; i < 2000; ++i) {
    page.insert(page.view().count(), {}, Entry::whole("member:" + std::to_string(i)));
  }
  for (int i = 0; i < 2000; ++i) {
    const std::string tail = "member:" + std::to_string(i);
    const auto index = static_cast<std::size_t>(i);
    ASSERT_EQ(page.view().find_tail(tail), index);
    ASSERT_EQ(page.view().find_tail(tail, index), index);
    ASSERT_EQ(page.view().find_tail(tail, index + 1), 2000U);
    ASSERT_LE(page.view().find_tag(tag_of(tail)), index);
  }
}

TEST(Page, FindsEveryOther) {
  TestPage page({.key_bytes = 0});
  for (const Bytes text : {"a", "b", "b", "a", "c"}) {
    page.insert(page.view().count(), {}, Entry::whole(text));
  }
  EXPECT_EQ(page.view().find_tail("b", 0, 2), 2U);
  EXPECT_EQ(page.view().find_tail("a", 1, 2), 3U);
  EXPECT_EQ(page.view().find_tail("c", 1, 2), 5U);
  EXPECT_EQ(page.view().find_tail("c", 5, 2), 5U);
}

TEST(Page, HoldsSoManyEntriesAndNoMore) {
  TestPage page({.key_bytes = 0});
  TestPage many({.key_bytes = 0});
  for (int i = 0; i < 255; ++i) many.insert(0, {}, Entry::whole({}));
  for (int i = 0; i < 257; ++i) page.append(many, 0, 255);
  EXPECT_EQ(page.view().count(), kPageEntriesMax);
  EXPECT_TRUE(verify_page(page.bytes()).ok());
  EXPECT_DEATH(page.insert(0, {}, Entry::whole({})), "ASSERT failed");
}

TEST(Page, SumsLongColumns) {
  TestPage page({.key_bytes = 0});
  std::size_t sum = 0;
  for (std::size_t i = 0; i < 5000; ++i) {
    ASSERT_EQ(page.view().offset(i), sum);
    const std::size_t length = i % 7 == 0 ? 255 : i % 3;
    page.insert(i, {}, Entry::whole(std::string(length, 'x')));
    sum += length;
  }
  ASSERT_EQ(page.view().offset(5000), sum);
}

TEST(VerifyPage, SaysWhatIsWrong) {
  const auto refusal = [](Bytes hex) {
    const Status status = verify_page(from_hex(hex));
    return status.ok() ? std::string("nothing") : status.error().message;
  };
  EXPECT_EQ(refusal("01 04 02 00 03 00 00 00 61 78 62 02 01"), "nothing");
  EXPECT_EQ(refusal("01 04 02 00 03 00 00"), "page: too short for a header");
  EXPECT_EQ(refusal("02 04 02 00 03 00 00 00 61 78 62 02 01"), "page: unknown version");
  EXPECT_EQ(refusal("01 07 01 00 01 00 00 00 61 91 01"), "nothing");
  EXPECT_EQ(refusal("01 07 01 00 01 00 00 00 61 92 01"), "page: another entry's tag");
  EXPECT_EQ(refusal("01 13 00 00 00 00 00 00"), "page: tags of no members");
  EXPECT_EQ(refusal("01 27 00 00 00 00 00 00"), "page: tags of no members");
  EXPECT_EQ(refusal("01 84 02 00 03 00 00 00 61 78 62 02 01"), "page: unknown shape");
  EXPECT_EQ(refusal("01 45 00 00 00 00 00 00 01 02 03 04 05 06 07 08"), "nothing");
  EXPECT_EQ(refusal("01 45 00 00 00 00 00 00"), "page: of another size than it says");
  for (const Bytes shape : {"44", "46", "47", "51", "65"}) {
    EXPECT_EQ(refusal("01 " + std::string(shape) + " 00 00 00 00 00 00"),
              "page: short keys of what has none");
  }
  EXPECT_EQ(refusal("01 45 01 00 01 00 00 00 61 ff ff ff ff 01 00 00 00 00 ff ff ff ff"),
            "nothing");
  EXPECT_EQ(refusal("01 45 01 00 01 00 00 00 61 00 00 00 00 01 01 00 00 00 ff ff ff ff"),
            "page: short keys above a base too large");
  EXPECT_EQ(refusal("01 34 00 00 00 00 00 00"), "page: an inner page of pairs");
  EXPECT_EQ(refusal("01 00 00 00 00 00 00 00"), "page: a leaf without lengths");
  EXPECT_EQ(refusal("01 04 02 00 03 00 00 00 61 78 62 02 01 00"),
            "page: of another size than it says");
  EXPECT_EQ(refusal("01 04 ff ff ff ff ff ff 61 78 62 02 01"),
            "page: of another size than it says");
  EXPECT_EQ(refusal("01 04 02 00 03 00 00 00 61 78 62 02 02"), "page: lengths do not add up");
  EXPECT_EQ(refusal("01 10 01 00 00 00 00 00 00 00 00 00 00 00 01 00 00 00 00 00"),
            "page: a link to nothing");
  EXPECT_EQ(refusal("01 24 01 00 02 00 00 00 01 61 02"), "nothing");
  EXPECT_EQ(refusal("01 24 01 00 0b 00 00 00 80 00 01 00 00 00 00 00 00 00 00 0b"), "nothing");
  for (const Bytes hex : {"01 24 01 00 02 00 00 00 02 61 02", "01 24 01 00 00 00 00 00 00",
                          "01 24 01 00 02 00 00 00 80 00 02", "01 24 01 00 01 00 00 00 80 01",
                          // With an expiry: of nothing, 0, negative, behind which no key ends.
                          "01 24 01 00 0a 00 00 00 80 00 01 00 00 00 00 00 00 00 0a",
                          "01 24 01 00 0b 00 00 00 80 00 00 00 00 00 00 00 00 00 00 0b",
                          "01 24 01 00 0b 00 00 00 80 00 01 00 00 00 00 00 00 80 00 0b",
                          "01 24 01 00 0b 00 00 00 80 00 01 00 00 00 00 00 00 00 01 0b"}) {
    EXPECT_EQ(refusal(hex), "page: a pair whose key does not end in it");
  }
}

}  // namespace
}  // namespace diskdb::value

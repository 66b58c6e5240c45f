#include "protocol/result.h"

#include <doctest/doctest.h>

#include <memory>

using namespace starling;

TEST_CASE("a result is a value or an error") {
  const Result<int> good = 7;
  CHECK(good.ok());
  CHECK(static_cast<bool>(good));
  CHECK(good.value() == 7);
  CHECK(*good == 7);

  const Result<int> bad = Error{ErrorCode::config, "run.toml:3: rounds is 0, expected 1 or more"};
  CHECK_FALSE(bad.ok());
  CHECK(bad.error().code == ErrorCode::config);
  CHECK(bad.error().message == "run.toml:3: rounds is 0, expected 1 or more");
}

TEST_CASE("a result gives its value away") {
  Result<std::unique_ptr<int>> result = std::make_unique<int>(3);
  const std::unique_ptr<int> taken = std::move(result).value();
  CHECK(*taken == 3);
}

TEST_CASE("a result of nothing") {
  CHECK(Result<void>().ok());
  const Result<void> bad = Error{ErrorCode::io, "no space left"};
  CHECK_FALSE(bad.ok());
  CHECK(bad.error().message == "no space left");
}

TEST_CASE("a result may hold an error's own kind of value") {
  const Result<std::string> text = std::string("fine");
  CHECK(text.ok());
}

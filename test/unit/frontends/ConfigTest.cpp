#include "frontends/Config.h"

#include <gtest/gtest.h>

using namespace llmopt;

TEST(Config, RefusesWhatIsNoObject) {
  Result<Config> config = Config::parse("[1]", "config.json");
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().message(), "config.json is not a JSON object");
}

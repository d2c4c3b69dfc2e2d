//===- QuantizationRulesTest.cpp - Schemes and rules as people write them ---------------------===//

#include "passes/QuantizationRules.h"

#include <gmock/gmock.h>

using namespace llmopt;
using testing::HasSubstr;

static QuantizationRules parsed(const char *text) {
  auto rules = QuantizationRules::parse(text);
  EXPECT_TRUE(rules) << rules.error().message();
  return *rules;
}

static std::string errorOf(const char *text) {
  auto rules = QuantizationRules::parse(text);
  return rules ? "parsed" : rules.error().message();
}

TEST(QuantizationRules, SchemesHaveDefaultsAndOptions) {
  auto format = parsed("int8").ruleFor("w").format;
  ASSERT_TRUE(format);
  EXPECT_EQ(format->code, QuantCode::I8);
  EXPECT_EQ(format->group, 0);
  EXPECT_EQ(format->scale, ScaleType::F32);
  format = parsed("int4:group=128,scale=bf16,asymmetric").ruleFor("w").format;
  ASSERT_TRUE(format);
  EXPECT_EQ(format->code, QuantCode::U4);
  EXPECT_EQ(format->group, 128);
  EXPECT_EQ(format->scale, ScaleType::BF16);
  EXPECT_FALSE(parsed("none").ruleFor("w").format);
}

TEST(QuantizationRules, TheLastPatternThatFitsCounts) {
  QuantizationRules rules = parsed("int4;*.down_proj=int8;model.layers.0.*=none;lm_head=nf4");
  EXPECT_EQ(rules.ruleFor("model.layers.1.mlp.down_proj").format->code, QuantCode::I8);
  EXPECT_FALSE(rules.ruleFor("model.layers.0.mlp.down_proj").format);
  EXPECT_EQ(rules.ruleFor("model.layers.1.mlp.up_proj").format->code, QuantCode::I4);
  ASSERT_NE(rules.unused(), nullptr);
  EXPECT_EQ(rules.unused()->pattern, "lm_head");
  EXPECT_EQ(rules.ruleFor("lm_head").format->code, QuantCode::Nf4);
  EXPECT_EQ(rules.unused(), nullptr);
}

TEST(QuantizationRules, PatternsAreWholeNames) {
  EXPECT_TRUE(matchesPattern("a*c", "abc"));
  EXPECT_TRUE(matchesPattern("a*c", "acc"));
  EXPECT_TRUE(matchesPattern("*", ""));
  EXPECT_TRUE(matchesPattern("*b*b", "abab"));
  EXPECT_FALSE(matchesPattern("b", "abc"));
  EXPECT_FALSE(matchesPattern("a*b", "abc"));
}

TEST(QuantizationRules, WhatIsNoneIsNamed) {
  EXPECT_EQ(errorOf("int5"), "no scheme 'int5'; there are: int8, int4, nf4, fp4, none");
  EXPECT_EQ(errorOf(""), "no scheme ''; there are: int8, int4, nf4, fp4, none");
  EXPECT_EQ(errorOf("int4:group=24"), "'group=24': a group is a multiple of 32, or 0 for a row");
  EXPECT_EQ(errorOf("int4:group=-32"), "'group=-32': a group is a multiple of 32, or 0 for a row");
  EXPECT_THAT(errorOf("int4:group=99999999999999999999"), HasSubstr("a group is a multiple of 32"));
  EXPECT_EQ(errorOf("int4:scale=f8"), "'scale=f8': scales are f32, f16 or bf16");
  EXPECT_EQ(errorOf("nf4:asymmetric"), "'asymmetric' is for int8 and int4, not for nf4");
  EXPECT_THAT(errorOf("int4:size=3"), HasSubstr("no option 'size=3'"));
  EXPECT_EQ(errorOf("int4;lm_head"), "'lm_head' is no rule; one is PATTERN=SCHEME");
  EXPECT_EQ(errorOf("int4;=int8"), "'=int8' has no pattern");
}

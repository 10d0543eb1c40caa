#include "json/wf_json.h"
#include "wf_test.h"

#include <string.h>

static wf_json_t *parsed(const char *text)
{
    wf_json_t *v;

    wf_ctx_clear(test_ctx);
    return wf_json_parse(test_ctx, &v, text, strlen(text), 0) == WF_OK ? v : NULL;
}

START_TEST(one_value_is_parsed_and_written_back)
{
    const char *text = "{\"a\":[1,2.5,\"x/y\",null,true],\"b\":{}}";

    ck_assert_str_eq(wf_json_text(test_pool, parsed(text), NULL), text);
    ck_assert_int_eq(wf_json_type(parsed("null")), WF_JSON_NULL);
    ck_assert_int_eq(wf_json_int(parsed("42")), 42);
    ck_assert_ptr_null(wf_json_get(parsed("{}"), "a"));
    ck_assert_int_eq(wf_json_type(wf_json_get(parsed("{\"a\":null}"), "a")), WF_JSON_NULL);
}
END_TEST

START_TEST(bad_text_is_refused_with_its_place)
{
    ck_assert_ptr_null(parsed(""));
    ck_assert_ptr_null(parsed("   "));
    ck_assert_ptr_null(parsed("{"));
    ck_assert_ptr_null(parsed("{}x"));
    ck_assert_ptr_null(parsed("\"\xff\""));
    ck_assert_ptr_null(parsed("{\"a\":1,}"));
    ck_assert_ptr_null(parsed("{'a':1}"));
    ck_assert_ptr_null(parsed("[NaN]"));
    ck_assert_ptr_null(parsed("[01]"));
    ck_assert_ptr_null(parsed("[1.]"));
    ck_assert_ptr_null(parsed("[+1]"));
    ck_assert_ptr_null(parsed("[\"a\nb\"]"));
    ck_assert_ptr_null(parsed("[1]/**/"));
    ck_assert_ptr_null(parsed("{\n \"a\": tru }"));
    ck_assert_ptr_nonnull(strstr(test_ctx->err.public_text, "line 2"));
}
END_TEST

START_TEST(depth_is_bounded)
{
    char deep[400];

    memset(deep, '[', 200);
    memset(deep + 200, ']', 200);
    wf_json_t *v;
    ck_assert_int_eq(wf_json_parse(test_ctx, &v, deep, 400, 0), WF_EINVALID);
}
END_TEST

START_TEST(pointers_find_values_and_their_places)
{
    const char *text = "{\n  \"a\": [10,\n    {\"b/c\": \"x\"}]\n}";
    wf_json_span_t span;

    ck_assert_str_eq(wf_json_str(wf_json_pointer_get(parsed(text), "/a/1/b~1c")), "x");
    ck_assert(wf_json_locate(&span, text, strlen(text), "/a/1/b~1c"));
    ck_assert_int_eq(span.line_start, 3);
    ck_assert_int_eq(span.column_start, 6);
    ck_assert_int_eq(span.column_end, 15);
    ck_assert(!wf_json_locate(&span, text, strlen(text), "/a/2"));
    ck_assert_str_eq(wf_json_pointer_add(test_pool, "/a", "b/c~"), "/a/b~1c~0");
}
END_TEST

START_TEST(many_pointers_are_found_in_one_walk_as_each_alone)
{
    const char *text = "{\"a\": [1, {\"b/c\": [true, {}]}],\n \"\\u0061x\": {\"\": null,"
                       "\"~\": 2},\n\n \"a\": [[],\n  [3, \"x\"]]}";
    const char *const pointers[] = {"",     "/a",    "/a/1/1", "/ax/",   "/ax/~0", "/a/1",
                                    "/a/7", "/none", "/a/0",   "/a/x/1", "/ax"};
    wf_json_span_t spans[11], one;
    size_t i;

    wf_json_locate_many(test_pool, spans, text, strlen(text), pointers, 11);
    for (i = 0; i < 11; i++) {
        wf_json_locate(&one, text, strlen(text), pointers[i]);
        ck_assert_msg(memcmp(&one, &spans[i], sizeof(one)) == 0, "%s", pointers[i]);
    }
    ck_assert_int_eq(spans[2].line_start, 5);
    ck_assert_int_eq(spans[2].column_start, 7);
    ck_assert_int_eq(spans[2].column_end, 9);
    ck_assert_int_eq(spans[6].line_start, 0);
}
END_TEST

START_TEST(sharing_and_copying_keep_values_alive)
{
    apr_pool_t *sub;
    wf_json_t *o = wf_json_object_make(test_pool);

    apr_pool_create(&sub, test_pool);
    wf_json_set(o, "k", wf_json_str_make(sub, "kept"));
    apr_pool_destroy(sub);
    ck_assert_str_eq(wf_json_get_str(o, "k", ""), "kept");
    wf_json_set(o, "n", wf_json_null_make(test_pool));
    ck_assert(wf_json_has_null(o));
    ck_assert(wf_json_equal(o, wf_json_copy(test_pool, o)));
    ck_assert(wf_json_equal(parsed("{\"a\":1,\"b\":2}"), parsed("{\"b\":2.0,\"a\":1}")));
}
END_TEST

START_TEST(numbers_keep_their_spelling_and_never_fail)
{
    ck_assert_ptr_nonnull(parsed("123456789012345678901234567890"));
    ck_assert_ptr_nonnull(parsed("1e400"));
    ck_assert_str_eq(wf_json_text(test_pool, parsed("1.10"), NULL), "1.10");
    ck_assert_str_eq(wf_json_text(test_pool, wf_json_number_make(test_pool, 3), NULL), "3");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("json");
    TCase *tc = wf_test_case(s, "json");

    tcase_add_test(tc, one_value_is_parsed_and_written_back);
    tcase_add_test(tc, bad_text_is_refused_with_its_place);
    tcase_add_test(tc, depth_is_bounded);
    tcase_add_test(tc, pointers_find_values_and_their_places);
    tcase_add_test(tc, many_pointers_are_found_in_one_walk_as_each_alone);
    tcase_add_test(tc, sharing_and_copying_keep_values_alive);
    tcase_add_test(tc, numbers_keep_their_spelling_and_never_fail);
    return wf_test_run(s);
}

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

START_TEST(escapes_become_their_characters)
{
    const wf_json_t *v =
        parsed("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u20AC\\ud83d\\uDE00\"");

    ck_assert_str_eq(wf_json_str(v), "\"\\/\b\f\n\r\tA\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    /* Halves of a pair stand for nothing. */
    ck_assert_str_eq(wf_json_str(parsed("\"a\\ud800b\\udc00\\ud83d\\u0041\"")),
                     "a\xef\xbf\xbd"
                     "b\xef\xbf\xbd\xef\xbf\xbd"
                     "A");
    ck_assert_uint_eq(wf_json_str_len(parsed("\"a\\u0000b\"")), 3);
    ck_assert_int_eq(wf_json_bool(wf_json_get(parsed("{\"\\u0061\\n\":true}"), "a\n")), 1);
}
END_TEST

START_TEST(broken_texts_of_every_kind_are_refused)
{
    static const char *const texts[] = {
        "\"",
        "\"a",
        "\"\\",
        "\"\\\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12G4\"",
        "\"\t\"",
        "\"\\n\t\"",
        "[",
        "[1",
        "[1,",
        "[1 2]",
        "[,1]",
        "{",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\" 1}",
        "{a:1}",
        "{\"a\":1,}",
        "{1:1}",
        "tru",
        "truE",
        "nul",
        "-",
        "-x",
        "1e",
        "1e+",
        ".5",
        "1.e1",
        "0x1",
        "1 1",
        "[1]]",
        "\xc3\x28",
        "\"\xed\xa0\x80\"",
        "\"\xf4\x90\x80\x80\"",
        "\"\xc0\xaf\"",
        "\xef\xbb\xbf{}",
    };
    size_t i;

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        ck_assert_msg(parsed(texts[i]) == NULL, "%s", texts[i]);
    }
    wf_json_t *v;
    ck_assert_int_eq(wf_json_parse(test_ctx, &v, "\"a\0b\"", 5, 0), WF_EINVALID);
}
END_TEST

START_TEST(numbers_keep_what_they_were)
{
    ck_assert_int_eq(wf_json_int(parsed("-9223372036854775808")), INT64_MIN);
    ck_assert_int_eq(wf_json_int(parsed("9223372036854775807")), INT64_MAX);
    ck_assert_str_eq(wf_json_text(test_pool, parsed("18446744073709551615"), NULL),
                     "18446744073709551615");
    ck_assert(wf_json_number(parsed("100000000000000000000")) == 1e20);
    ck_assert_str_eq(wf_json_text(test_pool, parsed("[1.50,1E2,-0.0]"), NULL), "[1.50,1E2,-0.0]");
    ck_assert(wf_json_number(parsed("1e400")) > 1e308);
}
END_TEST

START_TEST(the_place_of_a_slip_is_told)
{
    ck_assert_ptr_null(parsed("{\n  \"a\": [1,\n   ?]}"));
    ck_assert_ptr_nonnull(strstr(test_ctx->err.public_text, "line 3, column 4"));
    ck_assert_ptr_null(parsed("[\n\"ok \xc3\xa9\", \"\xff\"]"));
    ck_assert_ptr_nonnull(strstr(test_ctx->err.public_text, "line 2, column 11"));
}
END_TEST

START_TEST(depth_counts_every_level)
{
    wf_json_t *v;

    ck_assert_int_eq(wf_json_parse(test_ctx, &v, "[[1]]", 5, 3), WF_OK);
    ck_assert_int_eq(wf_json_parse(test_ctx, &v, "[[1]]", 5, 2), WF_EINVALID);
    ck_assert_int_eq(wf_json_parse(test_ctx, &v, "{\"a\":{\"b\":1}}", 15, 2), WF_EINVALID);
    ck_assert_int_eq(wf_json_parse(test_ctx, &v, "[[],[],[]]", 10, 2), WF_OK);
}
END_TEST

START_TEST(of_members_with_one_name_the_last_counts)
{
    ck_assert_str_eq(wf_json_text(test_pool, parsed("{\"a\":1,\"b\":2,\"a\":[3]}"), NULL),
                     "{\"a\":[3],\"b\":2}");
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

START_TEST(values_are_written_as_json_c_would)
{
    static const char *const same[] = {
        "{}",
        "[]",
        "[[],{},null,true,false]",
        "[0,-1,9223372036854775807,-9223372036854775808,18446744073709551615]",
        "[1.50,-0.0,1e3,123456789012345678901234567890]",
        "\"\"",
        "\"\\u0000\\u0001\\b\\t\\n\\u000b\\f\\r\\u001f /\x7f\"",
        "\"longer than eight \xc3\xa9 bytes, \\\"quoted\\\" and \\\\ at the end\\n\"",
        "{\"1234567\\\"\":\"12345678\\\\\",\"k\\n\":{\"\":1}}",
    };
    wf_buf_t out;
    size_t i, len;

    for (i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        ck_assert_str_eq(wf_json_text(test_pool, parsed(same[i]), &len), same[i]);
        ck_assert_uint_eq(len, strlen(same[i]));
    }
    ck_assert_str_eq(wf_json_text(test_pool, wf_json_number_make(test_pool, 2.5), NULL), "2.5");
    wf_buf_init(&out, test_pool, 4, 9);
    wf_json_write_str(&out, "1234567", 7);
    ck_assert(!out.failed);
    ck_assert_str_eq(out.data, "\"1234567\"");
    wf_json_write_str(&out, "", 0);
    ck_assert(out.failed);
}
END_TEST

static wf_status_t split(wf_json_part_t parts[3], const char *text)
{
    parts[0].name = "a";
    parts[1].name = "ab";
    parts[2].name = "c";
    wf_ctx_clear(test_ctx);
    return wf_json_split(test_ctx, parts, 3, text, strlen(text), 3);
}

static const char *part(const wf_json_part_t *p)
{
    return p->text.data ? apr_pstrmemdup(test_pool, p->text.data, p->text.len) : "(absent)";
}

START_TEST(the_members_of_a_text_are_found_without_building_it)
{
    wf_json_part_t parts[3];

    ck_assert_int_eq(split(parts, " { \"c\" : [1, {}] ,\"x\":{\"a\":1},\"a\":-7 } "), WF_OK);
    ck_assert_str_eq(part(&parts[0]), "-7");
    ck_assert_str_eq(part(&parts[1]), "(absent)");
    ck_assert_str_eq(part(&parts[2]), "[1, {}]");
    ck_assert_int_eq(wf_json_part_type(&parts[0]), WF_JSON_NUMBER);
    ck_assert_int_eq(wf_json_part_type(&parts[1]), WF_JSON_ABSENT);
    ck_assert_int_eq(wf_json_part_type(&parts[2]), WF_JSON_ARRAY);
    /* The last one counts, however its name is spelled; a longer name is another. */
    ck_assert_int_eq(split(parts, "{\"a\":1,\"\\u0061\":\"x\\ny\",\"a\\u0000\":3,\"ab\":null}"),
                     WF_OK);
    ck_assert_str_eq(part(&parts[0]), "\"x\\ny\"");
    ck_assert_int_eq(wf_json_part_type(&parts[1]), WF_JSON_NULL);
    ck_assert_uint_eq(wf_json_part_str(test_pool, &parts[0]).len, 3);
    ck_assert_mem_eq(wf_json_part_str(test_pool, &parts[0]).data, "x\ny", 3);
    ck_assert_ptr_null(wf_json_part_str(test_pool, &parts[1]).data);
    ck_assert_ptr_null(wf_json_part_str(test_pool, &parts[2]).data);
}
END_TEST

START_TEST(a_text_is_split_only_where_it_could_be_parsed)
{
    static const char *const bad[] = {
        "",        "[]",         "1",          "{",           "{}x",           "{\"a\":1,}",
        "{a:1}",   "{\"a\":01}", "{\"x\":tru}", "{\"x\":\"\\q\"}", "{\"x\":[1,]}",    "{\"x\":\"\n\"}",
        "{\"x\"}", "{\"x\":1 2}", "{\"x\":-}",   "{\"x\":\"\xff\"}", "{\"x\":[[[1]]]}",
    };
    wf_json_part_t parts[3];
    size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(split(parts, bad[i]) == WF_EINVALID, "%s", bad[i]);
    }
    ck_assert_int_eq(split(parts, "{\"x\":[1]}"), WF_OK);
}
END_TEST

START_TEST(whole_numbers_are_read_from_a_text)
{
    wf_json_part_t parts[3];
    int64_t n;

    ck_assert_int_eq(split(parts, "{\"a\":-9223372036854775808,\"ab\":1.0,\"c\":\"1\"}"), WF_OK);
    ck_assert(wf_json_part_int(&n, &parts[0]));
    ck_assert(n == INT64_MIN);
    ck_assert(!wf_json_part_int(&n, &parts[1]));
    ck_assert(!wf_json_part_int(&n, &parts[2]));
    ck_assert_int_eq(split(parts, "{\"a\":9223372036854775808,\"ab\":1000000000000000000000000}"),
                     WF_OK);
    ck_assert(!wf_json_part_int(&n, &parts[0]));
    ck_assert(!wf_json_part_int(&n, &parts[1]));
    ck_assert(!wf_json_part_int(&n, &parts[2]));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("json");
    TCase *tc = wf_test_case(s, "json");

    tcase_add_test(tc, one_value_is_parsed_and_written_back);
    tcase_add_test(tc, bad_text_is_refused_with_its_place);
    tcase_add_test(tc, escapes_become_their_characters);
    tcase_add_test(tc, broken_texts_of_every_kind_are_refused);
    tcase_add_test(tc, numbers_keep_what_they_were);
    tcase_add_test(tc, the_place_of_a_slip_is_told);
    tcase_add_test(tc, depth_counts_every_level);
    tcase_add_test(tc, of_members_with_one_name_the_last_counts);
    tcase_add_test(tc, depth_is_bounded);
    tcase_add_test(tc, pointers_find_values_and_their_places);
    tcase_add_test(tc, many_pointers_are_found_in_one_walk_as_each_alone);
    tcase_add_test(tc, sharing_and_copying_keep_values_alive);
    tcase_add_test(tc, numbers_keep_their_spelling_and_never_fail);
    tcase_add_test(tc, values_are_written_as_json_c_would);
    tcase_add_test(tc, the_members_of_a_text_are_found_without_building_it);
    tcase_add_test(tc, a_text_is_split_only_where_it_could_be_parsed);
    tcase_add_test(tc, whole_numbers_are_read_from_a_text);
    return wf_test_run(s);
}

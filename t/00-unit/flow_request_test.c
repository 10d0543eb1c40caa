#include "flow/wf_flow.h"
#include "wf_test.h"

#include <stdio.h>
#include <string.h>

static wf_flow_request_t request;

static wf_status_t parse(const char *text)
{
    wf_ctx_clear(test_ctx);
    return wf_flow_request_parse(test_ctx, &request, text, strlen(text));
}

START_TEST(each_action_is_recognised_in_its_exact_case)
{
    ck_assert_int_eq(parse("{\"version\":\"3.0\",\"action\":\"ping\"}"), WF_OK);
    ck_assert_int_eq(request.action, WF_ACTION_PING);
    ck_assert_ptr_null(request.flow_token);
    ck_assert_int_eq(wf_json_type(request.data), WF_JSON_OBJECT);
    ck_assert_int_eq(parse("{\"action\":\"INIT\",\"screen\":\"\",\"data\":{},"
                           "\"flow_token\":\"t1\",\"flow_token_signature\":\"a.b.c\"}"),
                     WF_OK);
    ck_assert_int_eq(request.action, WF_ACTION_INIT);
    ck_assert_ptr_null(request.screen);
    ck_assert_str_eq(request.flow_token, "t1");
    ck_assert_str_eq(request.flow_token_signature, "a.b.c");
    ck_assert_str_eq(request.version, "");
    ck_assert_int_eq(parse("{\"action\":\"BACK\",\"screen\":\"B\",\"data\":null}"), WF_OK);
    ck_assert_int_eq(request.action, WF_ACTION_BACK);
    ck_assert_str_eq(request.screen, "B");
    ck_assert_int_eq(parse("{\"action\":\"data_exchange\",\"screen\":\"B\"}"), WF_OK);
    ck_assert_int_eq(request.action, WF_ACTION_DATA_EXCHANGE);
    ck_assert_int_eq(parse("{\"action\":\"init\"}"), WF_OK);
    ck_assert_int_eq(request.action, WF_ACTION_UNKNOWN);
    ck_assert_str_eq(request.action_text, "init");
    ck_assert_int_eq(parse("{}"), WF_OK);
    ck_assert_int_eq(request.action, WF_ACTION_UNKNOWN);
    ck_assert_str_eq(request.action_text, "");
}
END_TEST

START_TEST(an_error_notification_is_seen_whatever_its_action_and_even_if_empty)
{
    static const char *const texts[] = {
        "{\"version\":\"3.0\",\"flow_token\":\"t\",\"screen\":\"S\",\"action\":\"data_exchange\","
        "\"data\":{\"error\":\"payload-schema-error\",\"error_message\":\"times is missing\"}}",
        "{\"action\":\"INIT\",\"data\":{\"error_key\":\"\",\"error_message\":\"x\"}}",
        "{\"action\":\"navigate\",\"data\":{\"error\":\"\"}}",
    };
    size_t i;

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        ck_assert_int_eq(parse(texts[i]), WF_OK);
        ck_assert_int_eq(request.action, WF_ACTION_ERROR);
    }
    ck_assert_int_eq(parse("{\"action\":\"data_exchange\",\"data\":{\"error_message\":\"x\"}}"),
                     WF_OK);
    ck_assert_int_eq(request.action, WF_ACTION_DATA_EXCHANGE);
}
END_TEST

START_TEST(a_version_may_be_a_number)
{
    ck_assert_int_eq(parse("{\"version\":300,\"action\":\"INIT\"}"), WF_OK);
    ck_assert_str_eq(request.version, "300");
    ck_assert_int_eq(parse("{\"version\":\"4.0\",\"action\":\"INIT\"}"), WF_OK);
    ck_assert_str_eq(request.version, "4.0");
}
END_TEST

START_TEST(what_is_no_request_is_refused)
{
    static const char *const texts[] = {
        "",
        "x",
        "[]",
        "null",
        "\"ping\"",
        "{\"action\":1}",
        "{\"action\":\"INIT\",\"screen\":[]}",
        "{\"action\":\"INIT\",\"data\":[]}",
        "{\"action\":\"INIT\",\"data\":\"x\"}",
        "{\"action\":\"INIT\",\"flow_token\":7}",
        "{\"action\":\"INIT\",\"flow_token\":\"a\\u0000b\"}",
        "{\"action\":\"INIT\",\"flow_token_signature\":{}}",
        "{\"action\":\"INIT\",\"version\":true}",
    };
    size_t i;

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        ck_assert_msg(parse(texts[i]) == WF_EINVALID, "%s", texts[i]);
        ck_assert_ptr_null(request.data);
    }
}
END_TEST

START_TEST(lengths_and_depth_are_bounded)
{
    char text[2000], token[1100];

    memset(token, 'a', sizeof(token));
    token[WF_FLOW_TOKEN_MAX] = '\0';
    snprintf(text, sizeof(text), "{\"action\":\"INIT\",\"flow_token\":\"%s\"}", token);
    ck_assert_int_eq(parse(text), WF_OK);
    snprintf(text, sizeof(text), "{\"action\":\"INIT\",\"flow_token\":\"%sa\"}", token);
    ck_assert_int_eq(parse(text), WF_EINVALID);
    memset(token, '[', 70);
    memset(token + 70, ']', 70);
    token[140] = '\0';
    snprintf(text, sizeof(text), "{\"action\":\"INIT\",\"data\":{\"a\":%s}}", token);
    ck_assert_int_eq(parse(text), WF_EINVALID);
}
END_TEST

static void hash_of(unsigned char out[WF_SHA256_LEN], const char *text)
{
    ck_assert_int_eq(parse(text), WF_OK);
    memcpy(out, request.hash, WF_SHA256_LEN);
}

START_TEST(the_hash_names_action_screen_and_data_only)
{
    unsigned char a[WF_SHA256_LEN], b[WF_SHA256_LEN];
    size_t i;
    static const char *const others[] = {
        "{\"action\":\"data_exchange\",\"screen\":\"S\",\"data\":{\"x\":\"2\"}}",
        "{\"action\":\"data_exchange\",\"screen\":\"T\",\"data\":{\"x\":\"1\"}}",
        "{\"action\":\"BACK\",\"screen\":\"S\",\"data\":{\"x\":\"1\"}}",
        "{\"action\":\"data_exchange\",\"screen\":\"S\",\"data\":{\"x\":1}}",
        "{\"action\":\"data_exchange\",\"data\":{\"x\":\"1\"}}",
    };

    hash_of(a, "{\"action\":\"data_exchange\",\"screen\":\"S\",\"data\":{\"x\":\"1\"},"
               "\"flow_token\":\"t\",\"version\":\"3.0\"}");
    hash_of(b, "{ \"flow_token\":\"u\", \"data\": {\"x\": \"1\"}, \"screen\": \"S\","
               " \"action\": \"data_exchange\"}");
    ck_assert_mem_eq(a, b, WF_SHA256_LEN);
    for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        hash_of(b, others[i]);
        ck_assert_mem_ne(a, b, WF_SHA256_LEN);
    }
    /* printf 'INIT\0\0{}' | sha256sum */
    hash_of(a, "{\"action\":\"INIT\"}");
    ck_assert_str_eq(wf_hex(test_pool, a, sizeof(a)),
                     "0a5693b46e7dc03da68d50266252ff4f91ad11440cd967f22e605f247b5c76f2");
}
END_TEST

START_TEST(what_the_database_cannot_store_is_mended)
{
    ck_assert_int_eq(parse("{\"action\":\"data_exchange\",\"screen\":\"S\",\"data\":{"
                           "\"a\":\"x\\u0000y\",\"b\":[{\"c\":\"\\u0000\"}],\"d\":1e400,"
                           "\"e\":-1e400,\"f\":1e-99999,\"g\":12.5,\"h\":true,\"i\":3}}"),
                     WF_OK);
    ck_assert_str_eq(wf_json_get_str(request.data, "a", NULL), "xy");
    ck_assert_uint_eq(wf_json_str_len(wf_json_get(request.data, "a")), 2);
    ck_assert_uint_eq(wf_json_str_len(wf_json_pointer_get(request.data, "/b/0/c")), 0);
    ck_assert(wf_json_number(wf_json_get(request.data, "d")) > 1e307);
    ck_assert(wf_json_number(wf_json_get(request.data, "e")) < -1e307);
    ck_assert_str_eq(wf_json_text(test_pool, wf_json_get(request.data, "f"), NULL), "0");
    ck_assert_str_eq(wf_json_text(test_pool, wf_json_get(request.data, "g"), NULL), "12.5");
    ck_assert_int_eq(wf_json_bool(wf_json_get(request.data, "h")), 1);
    ck_assert_int_eq(wf_json_int(wf_json_get(request.data, "i")), 3);
}
END_TEST

START_TEST(fixed_replies_are_the_documented_ones)
{
    size_t len;

    ck_assert_str_eq(wf_reply_ping(&len), "{\"data\":{\"status\":\"active\"}}");
    ck_assert_uint_eq(len, 28);
    ck_assert_str_eq(wf_reply_ack(&len), "{\"data\":{\"acknowledged\":true}}");
    ck_assert_uint_eq(len, 30);
    ck_assert_str_eq(wf_reply_token_invalid(test_pool, "Link \"expired\"", &len),
                     "{\"error_msg\":\"Link \\\"expired\\\"\"}");
    ck_assert_uint_eq(len, 32);
    ck_assert_ptr_nonnull(
        strstr(wf_reply_token_invalid(test_pool, NULL, &len), "\"error_msg\":\"T"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("flow_request");
    TCase *tc = wf_test_case(suite, "flow_request");

    tcase_add_test(tc, each_action_is_recognised_in_its_exact_case);
    tcase_add_test(tc, an_error_notification_is_seen_whatever_its_action_and_even_if_empty);
    tcase_add_test(tc, a_version_may_be_a_number);
    tcase_add_test(tc, what_is_no_request_is_refused);
    tcase_add_test(tc, lengths_and_depth_are_bounded);
    tcase_add_test(tc, the_hash_names_action_screen_and_data_only);
    tcase_add_test(tc, what_the_database_cannot_store_is_mended);
    tcase_add_test(tc, fixed_replies_are_the_documented_ones);
    return wf_test_run(suite);
}

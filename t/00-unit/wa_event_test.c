/* lib/webhook/wf_wa_event: what Meta posts, as events. */
#include "wf_corpus.h"
#include "wf_test.h"

#include "webhook/wf_wa_event.h"

#include <string.h>

static apr_array_header_t *events_of(const char *body)
{
    apr_array_header_t *events;

    ck_assert_msg(wf_wa_events_parse(test_ctx, &events, body, strlen(body)) == WF_OK, "%s", body);
    return events;
}

static const wf_wa_event_t *event_at(const apr_array_header_t *events, int i)
{
    ck_assert_int_lt(i, events->nelts);
    return &APR_ARRAY_IDX(events, i, wf_wa_event_t);
}

static const wf_wa_event_t *only(const char *body)
{
    apr_array_header_t *events = events_of(body);

    ck_assert_int_eq(events->nelts, 1);
    return event_at(events, 0);
}

static const char *in_change(const char *field, const char *value)
{
    return apr_psprintf(
        test_pool, "{\"entry\":[{\"id\":\"102\",\"changes\":[{\"field\":\"%s\",\"value\":%s}]}]}",
        field, value);
}

static const char *payload_of(const wf_wa_event_t *e)
{
    return apr_pstrmemdup(test_pool, e->payload.data, e->payload.len);
}

START_TEST(flow_reply_is_read)
{
    const wf_wa_event_t *e = only(in_change(
        "messages",
        "{\"metadata\":{\"phone_number_id\":700},\"contacts\":[{\"wa_id\":\"324\"}],\"messages\":[{"
        "\"from\":\"324\",\"id\":\"wamid.B\",\"timestamp\":\"1767225700\",\"type\":\"interactive\","
        "\"context\":{\"id\":\"wamid.A\"},\"interactive\":{\"type\":\"nfm_reply\",\"nfm_reply\":{"
        "\"name\":\"flow\",\"response_json\":\"{\\\"flow_token\\\":\\\"t\\\",\\\"a\\\":[1]}\"}}}]"
        "}"));

    ck_assert_int_eq(e->kind, WF_WA_MESSAGE);
    ck_assert_int_eq(e->is_flow_reply, 1);
    ck_assert_str_eq(e->event_type, "flow_completed");
    ck_assert_str_eq(e->dedup_key, "message:wamid.B");
    ck_assert_str_eq(e->context_id, "wamid.A");
    ck_assert_str_eq(e->flow_token, "t");
    ck_assert_str_eq(e->phone_number_id, "700");
    ck_assert_str_eq(e->waba_id, "102");
    ck_assert_str_eq(e->contact, "324");
    ck_assert_int_eq(apr_time_sec(e->at), 1767225700);
    ck_assert_str_eq(apr_pstrmemdup(test_pool, e->response_text.data, e->response_text.len),
                     "{\"flow_token\":\"t\",\"a\":[1]}");
}
END_TEST

START_TEST(types_are_named)
{
    static const struct {
        const char *field, *value, *type;
    } cases[] = {
        {"messages", "{\"messages\":[{\"type\":\"image\"}]}", "message.image"},
        {"messages", "{\"messages\":[{\"location\":{}}]}", "message.location"},
        {"messages",
         "{\"messages\":[{\"type\":\"interactive\",\"interactive\":{\"type\":\"button_reply\"}}]}",
         "message.interactive.button_reply"},
        {"messages", "{\"messages\":[17]}", "message.unknown"},
        {"messages", "{\"messages\":[]}", "messages"},
        {"messages", "{\"errors\":[]}", "messages.errors"},
        {"messages", "{\"statuses\":[{\"status\":\"Read\"}]}", "status.read"},
        {"calls", "{\"statuses\":[{\"status\":\"RINGING\"}]}", "status.ringing"},
        {"flows", "{\"event\":\"ENDPOINT_LATENCY\",\"flow_id\":\"8\"}", "flow.endpoint_latency"},
        {"account_update", "{\"event\":\"ACCOUNT_DELETED\"}", "account_update.account_deleted"},
        {"Some Future-field!", "17", "some_future-field_"},
    };
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ck_assert_str_eq(only(in_change(cases[i].field, cases[i].value))->event_type,
                         cases[i].type);
    }
    ck_assert_str_eq(only("{\"entry\":[{\"changes\":[{\"value\":{}}]}]}")->event_type, "unknown");
    ck_assert_str_eq(only("[]")->event_type, "unknown");
}
END_TEST

START_TEST(payloads_keep_the_letters_they_came_in)
{
    const wf_wa_event_t *e = only(in_change(
        "messages",
        "{\"messages\":[{\"id\":\"\\udc00\",\"a\":1.50,\"a\":\"\\u0000\"}],\"new\":{ }}"));

    ck_assert_str_eq(payload_of(e),
                     "{\"entry_id\":\"102\",\"field\":\"messages\",\"message\":{\"id\":"
                     "\"\\udc00\",\"a\":1.50,\"a\":\"\\u0000\"},\"value_others\":{\"new\":{ }}}");
    ck_assert_msg(!e->message_id, "what was not text is no id");
    ck_assert_msg(strncmp(e->dedup_key, "hash:", 5) == 0, "%s", e->dedup_key);
}
END_TEST

START_TEST(keys_tell_repetitions_from_others)
{
#define GROUP ",\"recipient_type\":\"group\",\"recipient_participant_id\":"
#define KEY(word, more)                                                                            \
    only(in_change("messages", "{\"statuses\":[{\"id\":\"w\",\"status\":\"" word "\"" more "}]}")) \
        ->dedup_key
    ck_assert_str_eq(KEY("read", ""), KEY("read", ",\"timestamp\":\"5\""));
    ck_assert_str_ne(KEY("read", ""), KEY("sent", ""));
    ck_assert_str_ne(KEY("read", GROUP "\"1\""), KEY("read", GROUP "\"2\""));
#undef KEY
    ck_assert_str_ne(only(in_change("a", "{\"n\":1}"))->dedup_key,
                     only(in_change("a", "{\"n\":2}"))->dedup_key);
    ck_assert_str_ne(only(in_change("a", "{\"n\":1}"))->dedup_key,
                     only(in_change("b", "{\"n\":1}"))->dedup_key);
}
END_TEST

START_TEST(too_much_is_one_raw_event)
{
    wf_buf_t body;
    int i;

    wf_buf_init(&body, test_pool, 65536, 3 * 1024 * 1024);
    wf_buf_puts(&body,
                "{\"entry\":[{\"changes\":[{\"field\":\"messages\",\"value\":{\"statuses\":[{}");
    for (i = 1; i < WF_WA_EVENTS_MAX; i++) {
        wf_buf_puts(&body, ",{}");
    }
    ck_assert_int_eq(events_of(apr_pstrcat(test_pool, body.data, "]}}]}]}", NULL))->nelts,
                     WF_WA_EVENTS_MAX);
    ck_assert_str_eq(only(apr_pstrcat(test_pool, body.data, ",{}]}}]}]}", NULL))->event_type,
                     "unknown");

    /* A little said once per event must not become a lot: 2 MiB of metadata, 50 times. */
    wf_buf_init(&body, test_pool, 65536, 3 * 1024 * 1024);
    wf_buf_puts(&body, "{\"entry\":[{\"changes\":[{\"value\":{\"metadata\":\"");
    for (i = 0; i < 2 * 1024 * 1024; i++) {
        wf_buf_putc(&body, 'x');
    }
    wf_buf_puts(&body, "\",\"messages\":[{}");
    for (i = 1; i < 50; i++) {
        wf_buf_puts(&body, ",{}");
    }
    wf_buf_puts(&body, "]}}]}]}");
    ck_assert_str_eq(only(body.data)->event_type, "unknown");
}
END_TEST

/* ---- whatever comes ---- */

static int is_type(const char *text)
{
    size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_.-");

    return len >= 1 && len <= WF_WA_TYPE_MAX && text[len] == '\0';
}

static void check_events(const char *body, size_t len)
{
    apr_array_header_t *events;
    wf_json_t *doc;
    int i;

    if (wf_wa_events_parse(test_ctx, &events, body, len) != WF_OK) {
        wf_ctx_clear(test_ctx);
        return;
    }
    ck_assert_int_gt(events->nelts, 0);
    for (i = 0; i < events->nelts; i++) {
        const wf_wa_event_t *e = event_at(events, i);
        ck_assert_msg(is_type(e->event_type), "%s", e->event_type);
        ck_assert_int_gt(strlen(e->dedup_key), 0);
        ck_assert_int_le(strlen(e->dedup_key), 512);
        ck_assert_msg(wf_json_parse(test_ctx, &doc, e->payload.data, e->payload.len,
                                    WF_WA_DEPTH + 2) == WF_OK,
                      "%.*s", (int)e->payload.len, e->payload.data);
        ck_assert_msg(!e->is_flow_reply ||
                          wf_json_parse(test_ctx, &doc, e->response_text.data, e->response_text.len,
                                        WF_WA_DEPTH) == WF_OK,
                      "the answers are JSON");
    }
}

static uint32_t seed;

static uint32_t next_random(void)
{
    seed = seed * 1664525u + 1013904223u;
    return seed >> 8;
}

/* Bytes changed, doubled, cut out and replaced by what parsers stumble over. */
static void mutate(const char *name, wf_json_t *doc)
{
    static const char *const words[] = {"null",    "{}",      "[]",
                                        "\"\"",    "1e999",   "-0",
                                        "\\ud800", "\\u0000", "99999999999999999999",
                                        "true",    ",",       "\"entry\""};
    apr_pool_t *outer = test_pool, *pool;
    size_t len, i;
    const char *text = wf_json_text(outer, doc, &len);
    int round;

    seed = 1;
    for (i = 0; name[i]; i++) {
        seed = seed * 31 + (unsigned char)name[i];
    }
    for (round = 0; round < 60; round++) {
        const char *word = words[next_random() % (sizeof(words) / sizeof(words[0]))];
        size_t at = next_random() % len, cut = next_random() % 12, rest;
        char *body;

        apr_pool_create(&pool, outer);
        test_ctx->pool = pool;
        cut = cut > len - at ? len - at : cut;
        rest = len - at - cut;
        body = apr_palloc(pool, len + 32);
        memcpy(body, text, at);
        memcpy(body + at, word, strlen(word));
        memcpy(body + at + strlen(word), text + at + cut, rest);
        check_events(body, at + strlen(word) + rest);
        /* One member's value for another: what is still JSON most of the time. */
        for (i = at; i < len && text[i] != ':'; i++) {
        }
        if (i < len) {
            size_t end = i + 1 + strcspn(text + i + 1, ",}]");
            memcpy(body, text, i + 1);
            memcpy(body + i + 1, word, strlen(word));
            memcpy(body + i + 1 + strlen(word), text + end, len - end);
            check_events(body, i + 1 + strlen(word) + len - end);
        }
        apr_pool_destroy(pool);
    }
    test_ctx->pool = outer;
}

START_TEST(mutations_of_the_corpus_never_crash)
{
    (void)wf_corpus_each("webhooks", mutate);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wa_event");
    TCase *tc = wf_test_case(suite, "wa_event");

    tcase_add_test(tc, flow_reply_is_read);
    tcase_add_test(tc, types_are_named);
    tcase_add_test(tc, payloads_keep_the_letters_they_came_in);
    tcase_add_test(tc, keys_tell_repetitions_from_others);
    tcase_add_test(tc, too_much_is_one_raw_event);
    tcase_add_test(tc, mutations_of_the_corpus_never_crash);
    return wf_test_run(suite);
}

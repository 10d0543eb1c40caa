/* Every real flow of the corpus is walked from INIT to SUCCESS. */
#include "flow/wf_engine_int.h"
#include "wf_corpus.h"
#include "wf_flow_drive.h"

static const char *flow_name;

static const wf_json_t *screen_of(const wf_json_t *flow, const char *id)
{
    const wf_json_t *screens = wf_json_get(flow, "screens");
    size_t i;

    for (i = 0; i < wf_json_len(screens); i++) {
        if (strcmp(wf_json_get_str(wf_json_at(screens, i), "id", ""), id) == 0) {
            return wf_json_at(screens, i);
        }
    }
    return NULL;
}

static int has_type(const wf_json_t *v, const char *type)
{
    return strcmp(wf_json_type_name(wf_json_type(v)), type) == 0;
}

/* What the phone does, written apart from the library: against the Flow JSON itself. */
static void accepts(const wf_json_t *declaration, const wf_json_t *v, const char *at)
{
    const wf_json_t *properties = wf_json_get(declaration, "properties");
    size_t i;

    ck_assert_msg(has_type(v, wf_json_get_str(declaration, "type", "?")), "%s: %s is %s", flow_name,
                  at, drive_text(v));
    for (wf_json_iter_t it = wf_json_iter(properties); wf_json_next(&it);) {
        if (wf_json_has(v, it.key)) {
            accepts(it.value, wf_json_get(v, it.key), it.key);
        }
    }
    for (i = 0; has_type(v, "array") && i < wf_json_len(v); i++) {
        if (wf_json_type(wf_json_get(declaration, "items")) == WF_JSON_OBJECT) {
            accepts(wf_json_get(declaration, "items"), wf_json_at(v, i), at);
        }
    }
}

static void phone_accepts(const wf_json_t *flow, const wf_json_t *reply)
{
    const char *id = wf_json_get_str(reply, "screen", "");
    const wf_json_t *screen = screen_of(flow, id), *data = wf_json_get(reply, "data");
    const wf_json_t *model = wf_json_get(screen, "data");

    ck_assert_msg(screen != NULL, "%s: there is no screen %s", flow_name, id);
    ck_assert_int_eq(wf_json_type(data), WF_JSON_OBJECT);
    for (wf_json_iter_t it = wf_json_iter(model); wf_json_next(&it);) {
        ck_assert_msg(wf_json_has(data, it.key), "%s: %s lacks %s", flow_name, id, it.key);
        accepts(it.value, wf_json_get(data, it.key), it.key);
    }
    ck_assert_msg(wf_json_len(data) == wf_json_len(model), "%s: %s gets more than it declares",
                  flow_name, id);
}

/* Something for every input of a screen. */
static void fill_inputs(wf_json_t *data, const wf_json_t *node)
{
    const char *name = wf_json_get_str(node, "name", NULL);
    const char *type = wf_json_get_str(node, "type", NULL);
    size_t i;

    if (name && type && strcmp(type, "OptIn") == 0) {
        wf_json_set_bool(data, name, 1);
    } else if (name && type && (strcmp(type, "CheckboxGroup") == 0 || strstr(type, "Picker"))) {
        wf_json_t *list = wf_json_array_make(test_pool);
        wf_json_push(list, wf_json_str_make(test_pool, "a"));
        wf_json_set(data, name, list);
    } else if (name && type && strcmp(type, "Form") != 0 && strcmp(type, "screen") != 0) {
        wf_json_set_str(data, name, "2026-03-01");
    }
    for (wf_json_iter_t it = wf_json_iter(node); wf_json_next(&it);) {
        fill_inputs(data, it.value);
    }
    for (i = 0; wf_json_type(node) == WF_JSON_ARRAY && i < wf_json_len(node); i++) {
        fill_inputs(data, wf_json_at(node, i));
    }
}

static void checked(drive_t *d, const wf_json_t *reply)
{
    const char *fault =
        wf_reply_check(test_ctx, d->plan, &d->request, wf_plan_screen(d->plan, d->request.screen),
                       reply, d->out.reply_len);

    ck_assert_msg(!fault && !d->out.broken_rule, "%s: %s", flow_name,
                  fault ? fault : d->out.broken_rule);
    ck_assert_int_eq(d->out.kind, WF_OUTCOME_REPLY);
}

static void walk(const char *name, wf_json_t *flow)
{
    drive_t *d = apr_pcalloc(test_pool, sizeof(*d));
    size_t steps = 0, most = 2 * wf_json_len(wf_json_get(flow, "screens"));
    const wf_json_t *reply;
    wf_json_t *data;

    flow_name = name;
    drive_now = DRIVE_START;
    test_ctx->clock = drive_clock;
    d->plan = drive_compile(flow, NULL, NULL);
    ck_assert_msg(d->plan != NULL, "%s", name);
    reply = drive_send(d, "INIT", NULL, "{}");
    checked(d, reply);
    while (!d->out.completed) {
        const char *id = apr_pstrdup(test_pool, wf_json_get_str(reply, "screen", ""));
        ck_assert_msg(steps++ < most, "%s: no end after %d steps", name, (int)steps);
        phone_accepts(flow, reply);
        data = wf_json_object_make(test_pool);
        fill_inputs(data, wf_json_get(screen_of(flow, id), "layout"));
        reply = drive_send(d, "data_exchange", id, wf_json_text(test_pool, data, NULL));
        checked(d, reply);
    }
    ck_assert_str_eq(wf_json_get_str(reply, "screen", ""), "SUCCESS");
    ck_assert_str_eq(wf_json_get_str(d->out.response, "flow_token", ""), "t-1");
    ck_assert_str_eq(d->session->status, WF_SESSION_COMPLETED);
}

START_TEST(every_flow_of_the_corpus_is_walked_from_init_to_success)
{
    fprintf(stderr, "# %d flows\n", wf_corpus_each("flows", walk));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("engine_corpus");
    TCase *tc = wf_test_case(suite, "engine_corpus");

    tcase_add_test(tc, every_flow_of_the_corpus_is_walked_from_init_to_success);
    return wf_test_run(suite);
}

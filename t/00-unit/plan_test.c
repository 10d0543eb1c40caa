#include "flow/wf_engine_int.h"
#include "wf_flow_drive.h"

static const char *const booking =
    "{'version':'7.3','data_api_version':'3.0','routing_model':{'C':[],'B':['C','D'],'A':['B']},"
    "'screens':["
    "{'id':'D','terminal':true},"
    "{'id':'A','data':{'day':{'type':'string','__example__':'2026-03-01'}}},"
    "{'id':'B','data':{'times':{'type':'array','items':{'type':'object','properties':{'id':{'type':"
    "'string'},'title':{'type':'string'}}},'__example__':[{'id':'1','title':'09:00'}]},"
    "'error_message':{'type':'string','__example__':'Boo'}},"
    "'layout':{'children':[{'type':'If','then':[{'type':'Dropdown','data-source':'${data.times}'}]}"
    "]}},"
    "{'id':'C','terminal':true}]}";

START_TEST(a_plan_knows_screens_routes_and_entry)
{
    wf_plan_t *plan = drive_compile(drive_json(booking), NULL, NULL);
    const wf_plan_screen_t *a = wf_plan_screen(plan, "A"), *b = wf_plan_screen(plan, "B");
    const wf_plan_screen_t *c = wf_plan_screen(plan, "C"), *d = wf_plan_screen(plan, "D");

    ck_assert_str_eq(wf_plan_entry(plan), "A");
    ck_assert_int_eq(wf_plan_is_routed(plan), 1);
    ck_assert_int_eq(wf_plan_has_screen(plan, "C"), 1);
    ck_assert_int_eq(wf_plan_has_screen(plan, "SUCCESS"), 0);
    ck_assert_int_eq(wf_plan_has_screen(plan, ""), 0);
    ck_assert_int_eq(wf_plan_has_screen(plan, NULL), 0);
    ck_assert_uint_eq(b->next.len, 3);
    ck_assert_mem_eq(b->next.data, "C,D", 3);
    ck_assert_uint_eq(b->prev.len, 1);
    ck_assert_ptr_eq(wf_plan_screen_first(plan, b->next), c);
    ck_assert_ptr_eq(wf_plan_screen_first(plan, b->prev), a);
    ck_assert_ptr_null(wf_plan_screen_first(plan, c->next));
    ck_assert(a->entry && !b->entry && !a->terminal && c->terminal && d->terminal);
    ck_assert_ptr_eq(wf_plan_screen_after(plan, d), a);
    ck_assert_ptr_null(wf_plan_screen_after(plan, c));
    ck_assert_ptr_eq(wf_plan_screen(plan, "A"), a);
}
END_TEST

START_TEST(ways_are_those_the_client_accepts)
{
    wf_plan_t *plan = drive_compile(drive_json(booking), NULL, NULL);
    const wf_plan_screen_t *a = wf_plan_screen(plan, "A"), *b = wf_plan_screen(plan, "B");
    const wf_plan_screen_t *c = wf_plan_screen(plan, "C");

    ck_assert(wf_plan_allows(plan, NULL, a));
    ck_assert(!wf_plan_allows(plan, NULL, b));
    ck_assert(wf_plan_allows(plan, b, b));
    ck_assert(wf_plan_allows(plan, a, b));
    ck_assert(wf_plan_allows(plan, b, a));
    ck_assert(!wf_plan_allows(plan, a, c));
    ck_assert(!wf_plan_allows(plan, c, a));
    plan = drive_compile(drive_json("{'routing_model':{},'screens':[{'id':'X'},{'id':'Y'}]}"), NULL,
                         NULL);
    ck_assert(wf_plan_allows(plan, wf_plan_screen(plan, "Y"), wf_plan_screen(plan, "X")));
    ck_assert_str_eq(wf_plan_entry(plan), "X");
}
END_TEST

START_TEST(declarations_and_examples_are_apart)
{
    wf_plan_t *plan = drive_compile(drive_json(booking), NULL, NULL);
    const wf_plan_screen_t *a = wf_plan_screen(plan, "A"), *b = wf_plan_screen(plan, "B");
    const wf_json_t *model = wf_plan_screen_column(plan, b, WF_SCREEN_DATA);

    drive_same(wf_plan_screen_column(plan, a, WF_SCREEN_DATA), "{'day':'string'}");
    drive_same(wf_plan_screen_column(plan, a, WF_SCREEN_EXAMPLE), "{'day':'2026-03-01'}");
    ck_assert_uint_eq(wf_json_len(model), 2);
    drive_same(wf_json_get(wf_plan_screen_column(plan, b, WF_SCREEN_EXAMPLE), "error_message"),
               "''");
    drive_same(
        wf_json_get(model, "times"),
        "{'type':'array','items':{'type':'object','properties':{'id':'string','title':'string'}},"
        "'__options__':{'min':0,'max':200,'max_with_image':100,'image_max':102400}}");
    drive_same(wf_plan_screen_column(plan, wf_plan_screen(plan, "C"), WF_SCREEN_DATA), "{}");
}
END_TEST

START_TEST(odd_flows_compile_or_fail_but_never_crash)
{
    static const char *const bad[] = {
        "{}",
        "[]",
        "{'screens':{}}",
        "{'screens':[]}",
        "{'screens':[1,null,{'id':7},{'id':''},{'id':'a\\u0009b'},{'id':'SUCCESS'}]}",
    };
    static const char *const odd[] = {
        "{'version':7,'screens':[{'id':'A','data':[],'layout':[]},{'id':'A'}],'routing_model':7}",
        "{'screens':[{'id':'A','data':{'k':7,'n':{},'o':{'type':[]},'m':{'type':'array','items':"
        "true}},"
        "'layout':{'type':9,'data-source':'${data.'}}],'routing_model':{'A':'A','Z':['A'],'B':[1]}"
        "}",
        "{'screens':[{'id':'A'},{'id':'B'}],'routing_model':{'A':['B','A'],'B':['A']}}",
    };
    wf_issues_t issues = {NULL, 0, 0};
    const char *text = "x";
    size_t i, len;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(wf_plan_compile(test_ctx, &text, &len, &issues, drive_json(bad[i]), NULL) ==
                          WF_EINVALID,
                      "%s", bad[i]);
        ck_assert_ptr_null(text);
    }
    for (i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        wf_plan_t *plan = drive_compile(drive_json(odd[i]), NULL, NULL);
        ck_assert_str_eq(wf_plan_entry(plan), "A");
    }
}
END_TEST

START_TEST(an_example_that_does_not_fit_becomes_an_empty_value_of_its_type)
{
    wf_plan_t *plan = drive_compile(
        drive_json(
            "{'screens':[{'id':'A','data':{"
            "'s':{'type':'string','__example__':1},'n':{'type':'number'},"
            "'b':{'type':'boolean','__example__':null},'o':{'type':'object','properties':{'x':"
            "{'type':'string'}},'__example__':{'x':2}},"
            "'a':{'type':'array','items':{'type':'string'},'__example__':['x',1]},"
            "'f':{'type':'array','items':{'type':'string'},'__example__':['x']}}}]}"),
        NULL, NULL);

    drive_same(wf_plan_screen_column(plan, wf_plan_screen(plan, "A"), WF_SCREEN_EXAMPLE),
               "{'s':'','n':0,'b':false,'o':{},'a':[],'f':['x']}");
}
END_TEST

START_TEST(a_text_that_is_no_plan_is_refused)
{
    static const char *const texts[] = {
        "",
        "wfplan1",
        "wfplan1\n",
        "wfplan2\nH\tA\t\t\nS\tA\t\t\t\t{}\t{}\n",
        "wfplan1\nS\tA\t\t\t\t{}\t{}\n",
        "wfplan1\nH\tA\t\t\n",
        "wfplan1\nH\tB\t\t\nS\tA\t\t\t\t{}\t{}\n",
        "wfplan1\nH\tA\t\t\nS\tA\t\t\t\t{}\t{}",
        "wfplan1\nH\tA\t\t\nS\tA\t\t\t\t{}\t{}\t{}\n",
        "wfplan1\nH\tA\t\t\nS\tA\t\t\t\t{}\t{}\n\n",
        "wfplan1\nH\tA\t\t\nSA{}\n",
    };
    const char *damaged = "wfplan1\nH\tA\t\t\nS\tA\t\t\t\t{\t{}\n";
    const char *cut = "wfplan1\nH\tA\t\t\nS\tA\t\t\t\t{}\n";
    wf_plan_t *plan;
    size_t i;

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        ck_assert_msg(wf_plan_open(test_ctx, &plan, texts[i], strlen(texts[i])) == WF_EINTERNAL,
                      "%s", texts[i]);
        ck_assert_ptr_null(plan);
    }
    plan = drive_open(damaged, strlen(damaged));
    ck_assert_ptr_null(wf_plan_screen_column(plan, wf_plan_screen(plan, "A"), WF_SCREEN_DATA));
    ck_assert_int_eq(wf_plan_is_damaged(plan), 1);
    plan = drive_open(cut, strlen(cut));
    ck_assert_ptr_null(wf_plan_screen(plan, "A"));
    ck_assert_int_eq(wf_plan_is_damaged(plan), 1);
}
END_TEST

START_TEST(untouched_screens_are_not_parsed)
{
    /* B's columns are no JSON, which shows as soon as anybody reads them. */
    const char *text = "wfplan1\nH\tA\t\t\nS\tA\t\t\t\t{}\t{}\nS\tB\t\t\t\t!\t!\nR\tA\t!\n";
    wf_plan_t *plan = drive_open(text, strlen(text));

    ck_assert_ptr_nonnull(wf_plan_screen_column(plan, wf_plan_screen(plan, "A"), WF_SCREEN_DATA));
    ck_assert_ptr_nonnull(wf_plan_screen(plan, "B"));
    ck_assert_int_eq(wf_plan_is_damaged(plan), 0);
    ck_assert_ptr_null(
        wf_plan_screen_column_read(plan, wf_plan_screen(plan, "A"), WF_SCREEN_EXAMPLE));
    ck_assert_ptr_null(wf_plan_screen_column(plan, wf_plan_screen(plan, "B"), WF_SCREEN_DATA));
    ck_assert_int_eq(wf_plan_is_damaged(plan), 1);
}
END_TEST

static int fits(const char *declaration, const char *value)
{
    return wf_data_misfit(test_pool, "k", drive_json(declaration), drive_json(value)) == NULL;
}

START_TEST(values_fit_their_declarations_nested_too)
{
    const char *list =
        "{'type':'array','items':{'type':'object','properties':{'id':{'type':'string'},"
        "'n':{'type':'number'}}}}";

    ck_assert(fits("{'type':'string'}", "''") && !fits("{'type':'string'}", "1"));
    ck_assert(fits("{'type':'number'}", "1.5") && !fits("{'type':'number'}", "'1'"));
    ck_assert(fits("{'type':'boolean'}", "false") && !fits("{'type':'boolean'}", "0"));
    ck_assert(!fits("{'type':'string'}", "null") && !fits("{}", "null"));
    ck_assert(fits(list, "[]") && fits(list, "[{'id':'a','n':1,'more':[]}]"));
    ck_assert(fits(list, "[{'id':'a'}]"));
    ck_assert(!fits(list, "[{'id':'a'},{'id':7}]") && !fits(list, "['a']") && !fits(list, "{}"));
    ck_assert(!fits(list, "[{'id':'a','more':{'x':[null]}}]"));
    ck_assert(fits("{'type':'array','items':true}", "[1,'a']"));
    ck_assert(fits("{'type':'object'}", "{'x':1}") && !fits("{'type':'object'}", "[]"));
    ck_assert_str_eq(
        wf_data_misfit(test_pool, "times", drive_json(list), drive_json("[{'id':'a'},{'n':'1'}]")),
        "times[1].n is string where the screen declares number");
}
END_TEST

static const char *fault(const char *flow, const char *action, const char *screen,
                         const char *reply)
{
    drive_t *d = drive_make(flow, NULL);

    drive_prepare(d, action, screen, "{}");
    return wf_reply_check(test_ctx, d->plan, &d->request, wf_plan_screen(d->plan, screen),
                          drive_json(reply), strlen(reply));
}

static void refused(const char *why, const char *action, const char *screen, const char *reply)
{
    const char *said = fault(booking, action, screen, reply);

    ck_assert_msg(said && strstr(said, why), "%s -> %s, not %s", reply, said ? said : "(ok)", why);
}

START_TEST(good_replies_pass_the_check)
{
    const char *times = "{'screen':'B','data':{'times':[{'id':'1','title':'x'},{'id':'2'}],"
                        "'error_message':''}}";

    ck_assert_ptr_null(fault(booking, "INIT", NULL, "{'screen':'A','data':{'day':'x'}}"));
    ck_assert_ptr_null(
        fault(booking, "INIT", "B", "{'screen':'B','data':{'times':[],'error_message':'x'}}"));
    ck_assert_ptr_null(fault(booking, "data_exchange", "A", times));
    ck_assert_ptr_null(fault(booking, "data_exchange", "C", times));
    ck_assert_ptr_null(fault(booking, "BACK", "B", "{'screen':'A','data':{'day':''}}"));
    ck_assert_ptr_null(fault(booking, "data_exchange", "B", "{'screen':'C','data':{}}"));
    ck_assert_ptr_null(fault(booking, "data_exchange", "A",
                             "{'screen':'A','data':{'day':'x','error_message':'Not that day.'}}"));
    ck_assert_ptr_null(fault(booking, "data_exchange", "A",
                             "{'screen':'SUCCESS','data':{'extension_message_response':{'params':"
                             "{'flow_token':'t-1','x':[1]}}}}"));
}
END_TEST

START_TEST(each_rule_that_a_reply_breaks_is_named)
{
    refused("1.10", "INIT", NULL, "{'data':{}}");
    refused("1.10", "INIT", NULL, "{'screen':'A'}");
    refused("1.10", "data_exchange", "A", "{'screen':'A','data':{'day':'x','error_message':''}}");
    refused("1.10", "data_exchange", "A", "{'screen':'A','data':{'day':'x','error_message':7}}");
    refused("rule 88", "INIT", NULL, "{'screen':'B','data':{'times':[]}}");
    refused("rule 88", "INIT", "A", "{'screen':'D','data':{}}");
    refused("rule 88", "data_exchange", "A", "{'screen':'C','data':{}}");
    refused("rule 88", "data_exchange", "C", "{'screen':'A','data':{'day':'x'}}");
    refused("rule 88", "data_exchange", "A", "{'screen':'Z','data':{}}");
    refused("rule 89: the declared key day", "data_exchange", "A", "{'screen':'A','data':{}}");
    refused("rule 89: day is number", "INIT", NULL, "{'screen':'A','data':{'day':1}}");
    refused("rule 89: day is null", "INIT", NULL, "{'screen':'A','data':{'day':null}}");
    refused("rule 89: night is not declared", "INIT", NULL,
            "{'screen':'A','data':{'day':'x','night':'y'}}");
    refused("rule 89: day is not declared", "data_exchange", "B",
            "{'screen':'C','data':{'day':'x'}}");
    refused("rule 89: times[0].id", "data_exchange", "A",
            "{'screen':'B','data':{'times':[{'id':1}]}}");
    refused("rule 90", "data_exchange", "A",
            "{'screen':'B','data':{'times':[{'id':'x'},{'id':'y'},{'id':'x'}]}}");
    refused("rule 92", "data_exchange", "A", "{'screen':'SUCCESS','data':{}}");
    refused("rule 92", "data_exchange", "A",
            "{'screen':'SUCCESS','data':{'extension_message_response':{'params':[]}}}");
    refused("rule 92", "data_exchange", "A",
            "{'screen':'SUCCESS','data':{'extension_message_response':{'params':{}}}}");
    refused(
        "rule 92", "data_exchange", "A",
        "{'screen':'SUCCESS','data':{'extension_message_response':{'params':{'flow_token':'t'}}}}");
    refused("1.13", "data_exchange", "A",
            "{'screen':'SUCCESS','data':{'extension_message_response':{'params':"
            "{'flow_token':'t-1','x':[null]}}}}");
}
END_TEST

/* An answer whose list of options is this long; the one at `image` has one. */
static wf_json_t *with_options(int count, int image)
{
    wf_json_t *reply = drive_json("{'screen':'B','data':{'error_message':''}}");
    wf_json_t *list = wf_json_array_make(test_pool);
    int i;

    for (i = 0; i < count; i++) {
        wf_json_t *item = wf_json_object_make(test_pool);

        wf_json_set_str(item, "id", apr_psprintf(test_pool, "i%d", i));
        if (i == image) {
            wf_json_set_str(item, "image", "aGVsbG8=");
        }
        wf_json_push(list, item);
    }
    wf_json_set(wf_json_get(reply, "data"), "times", list);
    return reply;
}

START_TEST(too_many_options_and_too_large_answers_are_refused)
{
    drive_t *d = drive_make(booking, NULL);
    const wf_plan_screen_t *a = wf_plan_screen(d->plan, "A");
    static const struct {
        int count, image;
        size_t size;
        const char *rule; /* NULL: accepted */
    } cases[] = {
        {1, -1, 100, NULL},        {200, -1, 100, NULL},  {201, -1, 100, "rule 90"},
        {101, 50, 100, "rule 90"}, {100, 50, 100, NULL},  {100, 50, 10485760, NULL},
        {100, 50, 10485761, "rule 91"},
    };
    size_t i;

    drive_prepare(d, "data_exchange", "A", "{}");
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        wf_json_t *reply = with_options(cases[i].count, cases[i].image);
        const char *fault =
            wf_reply_check(test_ctx, d->plan, &d->request, a, reply, cases[i].size);

        ck_assert_msg(cases[i].rule ? fault && strstr(fault, cases[i].rule) : !fault, "%d: %s",
                      cases[i].count, fault ? fault : "accepted");
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("plan");
    TCase *tc = wf_test_case(suite, "plan");

    tcase_add_test(tc, a_plan_knows_screens_routes_and_entry);
    tcase_add_test(tc, ways_are_those_the_client_accepts);
    tcase_add_test(tc, declarations_and_examples_are_apart);
    tcase_add_test(tc, odd_flows_compile_or_fail_but_never_crash);
    tcase_add_test(tc, an_example_that_does_not_fit_becomes_an_empty_value_of_its_type);
    tcase_add_test(tc, a_text_that_is_no_plan_is_refused);
    tcase_add_test(tc, untouched_screens_are_not_parsed);
    tcase_add_test(tc, values_fit_their_declarations_nested_too);
    tcase_add_test(tc, good_replies_pass_the_check);
    tcase_add_test(tc, each_rule_that_a_reply_breaks_is_named);
    tcase_add_test(tc, too_many_options_and_too_large_answers_are_refused);
    return wf_test_run(suite);
}

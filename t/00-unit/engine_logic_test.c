#include "wf_flow_drive.h"

/* A -> B -> C, C terminal; B also leads to D, which leads nowhere. */
static const char *const booking =
    "{'version':'7.3','data_api_version':'3.0',"
    "'routing_model':{'A':['B'],'B':['C','D'],'C':[],'D':[]},'screens':["
    "{'id':'A','data':{'day':{'type':'string','__example__':'2026-03-01'},"
    "'vip':{'type':'boolean','__example__':false}}},"
    "{'id':'B','data':{'times':{'type':'array','items':{'type':'object','properties':{'id':{'type':"
    "'string'},'title':{'type':'string'}}},'__example__':[{'id':'1','title':'09:00'}]},"
    "'day':{'type':'string','__example__':'none'}},"
    "'layout':{'children':[{'type':'Dropdown','data-source':'${data.times}'}]}},"
    "{'id':'C','terminal':true,'data':{'guests':{'type':'number','__example__':2}}},"
    "{'id':'D'}]}";

static void answered(drive_t *d, const wf_json_t *reply, const char *expected)
{
    drive_same(reply, expected);
    ck_assert_ptr_null(d->out.broken_rule);
}

#define SORRY "'error_message':'Something went wrong. Please try again.'"

/* ---- rules ---- */

START_TEST(the_example_of_the_design_works)
{
    drive_t *d = drive_make(
        "{'routing_model':{'APPOINTMENT':['SUMMARY','MANAGER'],'SUMMARY':[],'MANAGER':[]},'screens'"
        ":["
        "{'id':'APPOINTMENT','data':{'department':{'type':'array','items':{'type':'object'},"
        "'__example__':[]}}},{'id':'MANAGER','terminal':true},"
        "{'id':'SUMMARY','terminal':true,'data':{'name':{'type':'string','__example__':'x'},"
        "'when':{'type':'string','__example__':'x'}}}]}",
        "{'static':{'departments':[{'id':'shopping','title':'Compras'}]},"
        "'init':[{'next':'APPOINTMENT','data':{'department':'${static.departments}'}}],"
        "'screens':{'APPOINTMENT':["
        "{'when':{'<':[{'var':'data.age'},18]},'error_message':'Somente maiores de 18 anos.'},"
        "{'when':{'>':[{'var':'session.total'},1000]},'next':'MANAGER'},"
        "{'next':'SUMMARY','data':{'name':'${session.name}','when':'${data.date} as "
        "${data.time}'}}],"
        "'SUMMARY':[{'complete':{'protocol':'${session.protocol}','by':'${company.slug}',"
        "'none':'${session.none}','flow_token':'mine'}}]},"
        "'back':{'SUMMARY':[{'next':'APPOINTMENT'}]}}");

    d->company = drive_json("{'id':'c','slug':'acme'}");
    answered(
        d, drive_send(d, "INIT", NULL, "{}"),
        "{'screen':'APPOINTMENT','data':{'department':[{'id':'shopping','title':'Compras'}]}}");
    answered(d, drive_send(d, "data_exchange", "APPOINTMENT", "{'age':'17','name':'Ana'}"),
             "{'screen':'APPOINTMENT','data':{'department':[{'id':'shopping','title':'Compras'}],"
             "'error_message':'Somente maiores de 18 anos.'}}");
    ck_assert_str_eq(d->session->reply_kind, "error");
    ck_assert_str_eq(drive_history(d), "APPOINTMENT");
    answered(d,
             drive_send(d, "data_exchange", "APPOINTMENT",
                        "{'age':'20','date':'2026-03-01','time':'09:00','protocol':'P1'}"),
             "{'screen':'SUMMARY','data':{'name':'Ana','when':'2026-03-01 as 09:00'}}");
    answered(d, drive_send(d, "BACK", "SUMMARY", "{}"),
             "{'screen':'APPOINTMENT','data':{'department':[]}}");
    answered(d, drive_send(d, "data_exchange", "APPOINTMENT", "{'age':'20','total':1001}"),
             "{'screen':'MANAGER','data':{}}");
    answered(d, drive_send(d, "data_exchange", "SUMMARY", "{}"),
             "{'screen':'SUCCESS','data':{'extension_message_response':{'params':"
             "{'flow_token':'t-1','protocol':'P1','by':'acme'}}}}");
    ck_assert_int_eq(d->out.completed, 1);
}
END_TEST

START_TEST(no_rule_that_holds_leaves_the_default)
{
    drive_t *d = drive_make(booking, "{'init':[{'when':false,'next':'A','data':{'day':'never'}}],"
                                     "'screens':{'A':[{'when':{'var':'data.x'},'complete':{}}]},"
                                     "'back':{'B':[{'when':0,'next':'B'}]}}");

    answered(d, drive_send(d, "INIT", NULL, "{}"),
             "{'screen':'A','data':{'day':'2026-03-01','vip':false}}");
    ck_assert_str_eq(wf_json_get_str(drive_send(d, "data_exchange", "A", "{}"), "screen", ""), "B");
    ck_assert_str_eq(wf_json_get_str(drive_send(d, "BACK", "B", "{}"), "screen", ""), "A");
}
END_TEST

START_TEST(a_reference_to_nothing_leaves_the_key_to_the_default)
{
    drive_t *d = drive_make(booking, "{'screens':{'A':[{'next':'B','data':{'day':'${data.no}',"
                                     "'times':'${data.none}'}}]}}");

    answered(d, drive_send(d, "data_exchange", "A", "{'day':'of the session'}"),
             "{'screen':'B','data':{'times':[{'id':'1','title':'09:00'}],'day':'of the session'}}");
}
END_TEST

START_TEST(a_refresh_keeps_what_the_screen_was_shown_with)
{
    drive_t *d = drive_make(
        booking, "{'screens':{'A':[{'next':'B','data':{'times':[{'id':'7','title':'seven'}]}}],"
                 "'B':[{'when':{'var':'data.refresh'},'next':'B','data':{'day':'${data.pick}'}},"
                 "{'when':{'var':'data.bad'},'next':'B','error_message':'No ${data.bad}.'},"
                 "{'when':{'var':'data.worse'},'next':'C','error_message':'${data.no}'}]}}");

    drive_send(d, "data_exchange", "A", "{}");
    answered(d, drive_send(d, "data_exchange", "B", "{'refresh':1,'pick':'p'}"),
             "{'screen':'B','data':{'times':[{'id':'7','title':'seven'}],'day':'p'}}");
    ck_assert_str_eq(drive_history(d), "A B");
    answered(d, drive_send(d, "data_exchange", "B", "{'bad':'luck','day':'typed'}"),
             "{'screen':'B','data':{'times':[{'id':'7','title':'seven'}],'day':'p',"
             "'error_message':'No luck.'}}");
    answered(d, drive_send(d, "data_exchange", "B", "{'worse':1}"),
             "{'screen':'C','data':{'guests':2,"
             "'error_message':'Something went wrong. Please try again.'}}");
    ck_assert_str_eq(drive_history(d), "A B C");
}
END_TEST

START_TEST(an_answer_of_our_own_that_breaks_a_rule_is_replaced)
{
    drive_t *d = drive_make(
        booking, "{'error_message':'Ops','screens':{'A':[{'next':'B','data':{'day':'${data.n}',"
                 "'times':'${data.times}'}}],'B':[{'complete':{'a':1}}]},"
                 "'init':[{'when':{'var':'data.x'},'next':'A','data':{'vip':'${data.x}'}}]}");

    drive_send(d, "INIT", NULL, "{}");
    drive_same(drive_send(d, "data_exchange", "A", "{'n':5}"),
               "{'screen':'A','data':{'day':'2026-03-01','vip':false,'error_message':'Ops'}}");
    ck_assert_str_eq(d->out.broken_rule, "rule 89: day is number where the screen declares string");
    ck_assert_int_eq(d->out.kind, WF_OUTCOME_REPLY);
    ck_assert_int_eq(d->session->step, 2);
    ck_assert_str_eq(d->session->reply_kind, "error");
    ck_assert_str_eq(d->session->screen, "A");
    drive_same(d->session->answers, "{'n':5}");
    /* The same again is no repeat: the last answer was an error. */
    drive_send(d, "data_exchange", "A", "{'n':5}");
    ck_assert_int_eq(d->out.kind, WF_OUTCOME_REPLY);
    drive_send(d, "data_exchange", "A", "{'n':'x','times':[{'id':'1'},{'id':'1'}]}");
    ck_assert_ptr_nonnull(strstr(d->out.broken_rule, "rule 90"));
    ck_assert_str_eq(
        wf_json_get_str(drive_send(d, "data_exchange", "A", "{'n':'x','times':[]}"), "screen", ""),
        "B");
    drive_same(drive_send(d, "INIT", NULL, "{'x':'no boolean'}"),
               "{'screen':'A','data':{'day':'2026-03-01','vip':false,'error_message':'Ops'}}");
}
END_TEST

START_TEST(init_must_answer_the_screen_it_named)
{
    drive_t *d = drive_make(booking, "{'init':[{'next':'A'}]}");

    ck_assert_str_eq(wf_json_get_str(drive_send(d, "INIT", "C", "{}"), "screen", ""), "C");
    ck_assert_ptr_nonnull(strstr(d->out.broken_rule, "rule 88: INIT asked for screen C"));
}
END_TEST

/* ---- ask: "backend" ---- */

static const char *const asking =
    "{'screens':{'A':[{'ask':'backend'}]},'init':[{'when':{'var':'data.ask'},'ask':'backend'}],"
    "'back':{'B':[{'ask':'backend'}]},'backend':{'url':'https://example.com/flows',"
    "'timeout_ms':1500,'on_failure':{'error_message':'Later, ${data.who}.'}}}";

static wf_json_t *resume(drive_t *d, const char *answer)
{
    void *continuation = d->out.continuation;

    ck_assert_int_eq(d->out.kind, WF_OUTCOME_BACKEND);
    ck_assert_ptr_null(d->out.session);
    ck_assert_int_eq(wf_engine_resume(test_ctx, &d->out, &d->in, continuation,
                                      answer ? drive_json(answer) : NULL),
                     WF_OK);
    ck_assert_int_eq(d->out.kind, WF_OUTCOME_REPLY);
    return drive_commit(d);
}

static drive_t *asked(const char *data)
{
    drive_t *d = drive_make(booking, asking);

    d->company = drive_json("{'id':'c1','slug':'acme','settings':{}}");
    drive_send(d, "INIT", NULL, "{'lang':'pt'}");
    ck_assert_ptr_null(drive_send(d, "data_exchange", "A", data));
    return d;
}

START_TEST(the_backend_is_asked_with_the_exchange_in_clear)
{
    drive_t *d = asked("{'who':'Ana'}");

    ck_assert_str_eq(d->out.backend_url, "https://example.com/flows");
    ck_assert_int_eq(d->out.backend_timeout_ms, 1500);
    drive_same(d->out.backend_body,
               "{'version':'3.0','action':'data_exchange','screen':'A','data':{'who':'Ana'},"
               "'flow_token':'t-1','session':{'lang':'pt','who':'Ana'},"
               "'flow':{'name':'booking','version':3},'company':{'id':'c1','slug':'acme'},"
               "'session_id':'s1'}");
}
END_TEST

START_TEST(the_backend_answers_a_screen_an_error_or_the_end)
{
    drive_t *d = asked("{'who':'Ana'}");

    answered(d, resume(d, "{'screen':'B','data':{'times':[{'id':'x'}],'extra':1},'version':'3.0'}"),
             "{'screen':'B','data':{'times':[{'id':'x'}],'day':'none'}}");
    ck_assert_int_eq(d->session->step, 2);
    ck_assert_str_eq(drive_history(d), "A B");
    drive_same(d->session->answers, "{'lang':'pt','who':'Ana'}");
    d = asked("{}");
    answered(d, resume(d, "{'error_message':'Taken.'}"),
             "{'screen':'A','data':{'day':'2026-03-01','vip':false,'error_message':'Taken.'}}");
    ck_assert_str_eq(d->session->reply_kind, "error");
    d = asked("{}");
    answered(d, resume(d, "{'screen':'B','data':{'day':'d','error_message':'Hm.'}}"),
             "{'screen':'B','data':{'times':[{'id':'1','title':'09:00'}],'day':'d',"
             "'error_message':'Hm.'}}");
    d = asked("{}");
    answered(d, resume(d, "{'screen':'A'}"),
             "{'screen':'A','data':{'day':'2026-03-01','vip':false}}");
    d = asked("{}");
    answered(d,
             resume(d, "{'screen':'SUCCESS','data':{'extension_message_response':{'params':"
                       "{'flow_token':'other','n':null,'p':1}}}}"),
             "{'screen':'SUCCESS','data':{'extension_message_response':{'params':"
             "{'flow_token':'t-1','p':1}}}}");
    ck_assert_str_eq(d->session->status, "completed");
    d = asked("{}");
    answered(d, resume(d, "{'complete':{'p':2}}"),
             "{'screen':'SUCCESS','data':{'extension_message_response':{'params':"
             "{'flow_token':'t-1','p':2}}}}");
    drive_same(d->out.response, "{'flow_token':'t-1','p':2}");
}
END_TEST

START_TEST(init_and_back_may_ask_too)
{
    drive_t *d = drive_make(booking, asking);

    drive_send(d, "INIT", NULL, "{'ask':1}");
    ck_assert_str_eq(wf_json_get_str(d->out.backend_body, "screen", "?"), "");
    ck_assert(!wf_json_has(d->out.backend_body, "session_id"));
    answered(d, resume(d, "{'screen':'A','data':{'vip':true}}"),
             "{'screen':'A','data':{'day':'2026-03-01','vip':true}}");
    ck_assert_str_eq(drive_history(d), "A");
    drive_send(d, "data_exchange", "A", "{}");
    resume(d, "{'screen':'B'}");
    drive_send(d, "BACK", "B", "{}");
    ck_assert_str_eq(wf_json_get_str(d->out.backend_body, "action", "?"), "BACK");
    answered(d, resume(d, "{'screen':'A'}"),
             "{'screen':'A','data':{'day':'2026-03-01','vip':false}}");
    ck_assert_str_eq(drive_history(d), "A");
}
END_TEST

START_TEST(a_backend_that_fails_or_talks_nonsense_gets_on_failure)
{
    static const char *const answers[][2] = {
        {"[]", "1.10"},
        {"{}", "1.10"},
        {"{'screen':7}", "1.10"},
        {"{'screen':'Z','data':{}}", "rule 88: the backend names"},
        {"{'screen':'C','data':{}}", "rule 88: no way"},
        {"{'screen':'B','data':[]}", "1.10"},
        {"{'screen':'B','data':{'day':null}}", "rule 89"},
        {"{'screen':'B','data':{'day':7}}", "rule 89"},
        {"{'screen':'B','data':{'times':[{'id':1}]}}", "rule 89"},
        {"{'screen':'B','data':{'times':[{'id':'1'},{'id':'1'}]}}", "rule 90"},
        {"{'screen':'SUCCESS','data':{}}", "rule 92"},
        {"{'screen':'SUCCESS'}", "rule 92"},
        {"{'complete':7}", "rule 92"},
        {"{'error_message':''}", "1.10"},
        {"{'error_message':{'x':1}}", "1.10"},
    };
    const char *failure = "{'screen':'A','data':{'day':'2026-03-01','vip':false,"
                          "'error_message':'Later, Ana.'}}";
    drive_t *d = asked("{'who':'Ana'}");
    size_t i;

    answered(d, resume(d, NULL), failure);
    ck_assert_int_eq(d->session->step, 2);
    for (i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        d = asked("{'who':'Ana'}");
        drive_same(resume(d, answers[i][0]), failure);
        ck_assert_msg(d->out.broken_rule && strstr(d->out.broken_rule, answers[i][1]), "%s: %s",
                      answers[i][0], d->out.broken_rule ? d->out.broken_rule : "(none)");
        ck_assert_int_eq(d->session->step, 2);
    }
}
END_TEST

START_TEST(on_failure_may_lead_on_and_may_be_left_out)
{
    drive_t *d =
        drive_make(booking, "{'screens':{'A':[{'ask':'backend'}]},'backend':{'url':"
                            "'http://x/','on_failure':{'next':'B','data':{'day':'${data.n}'}}}}");

    drive_send(d, "data_exchange", "A", "{'n':'x'}");
    ck_assert_int_eq(d->out.backend_timeout_ms, 2000);
    answered(d, resume(d, NULL),
             "{'screen':'B','data':{'times':[{'id':'1','title':'09:00'}],'day':'x'}}");
    /* on_failure that breaks a rule itself: the last resort, and no loop. */
    drive_send(d, "data_exchange", "A", "{'n':7}");
    drive_same(resume(d, NULL), "{'screen':'A','data':{'day':'2026-03-01','vip':false," SORRY "}}");
    ck_assert_ptr_nonnull(strstr(d->out.broken_rule, "rule 89"));
    d = drive_make(booking, "{'screens':{'A':[{'ask':'backend'}]},'backend':{'url':'http://x/'}}");
    drive_send(d, "data_exchange", "A", "{}");
    answered(d, resume(d, NULL),
             "{'screen':'A','data':{'day':'2026-03-01','vip':false," SORRY "}}");
}
END_TEST

START_TEST(the_anonymous_may_ask_and_still_leave_nothing)
{
    drive_t *d = drive_make(booking, asking);

    d->anonymous = 1;
    drive_send(d, "data_exchange", "A", "{'who':'Ana'}");
    resume(d, "{'complete':{}}");
    ck_assert_ptr_null(d->out.session);
    ck_assert_int_eq(d->out.completed, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("engine_logic");
    TCase *tc = wf_test_case(suite, "engine_logic");

    tcase_add_test(tc, the_example_of_the_design_works);
    tcase_add_test(tc, no_rule_that_holds_leaves_the_default);
    tcase_add_test(tc, a_reference_to_nothing_leaves_the_key_to_the_default);
    tcase_add_test(tc, a_refresh_keeps_what_the_screen_was_shown_with);
    tcase_add_test(tc, an_answer_of_our_own_that_breaks_a_rule_is_replaced);
    tcase_add_test(tc, init_must_answer_the_screen_it_named);
    tcase_add_test(tc, the_backend_is_asked_with_the_exchange_in_clear);
    tcase_add_test(tc, the_backend_answers_a_screen_an_error_or_the_end);
    tcase_add_test(tc, init_and_back_may_ask_too);
    tcase_add_test(tc, a_backend_that_fails_or_talks_nonsense_gets_on_failure);
    tcase_add_test(tc, on_failure_may_lead_on_and_may_be_left_out);
    tcase_add_test(tc, the_anonymous_may_ask_and_still_leave_nothing);
    return wf_test_run(suite);
}

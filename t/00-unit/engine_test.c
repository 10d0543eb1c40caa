#include "wf_flow_drive.h"

/* A -> B -> C, C terminal; B also leads to D, which leads nowhere. */
static const char *const booking =
    "{'version':'7.3','data_api_version':'3.0',"
    "'routing_model':{'A':['B'],'B':['C','D'],'C':[],'D':[]},'screens':["
    "{'id':'A','data':{'day':{'type':'string','__example__':'2026-03-01'},"
    "'vip':{'type':'boolean','__example__':false}}},"
    "{'id':'B','data':{'times':{'type':'array','items':{'type':'object','properties':{'id':{'type':"
    "'string'},'title':{'type':'string'}}},'__example__':[{'id':'1','title':'09:00'}]},"
    "'day':{'type':'string','__example__':'none'}}},"
    "{'id':'C','terminal':true,'data':{'guests':{'type':'number','__example__':2}}},"
    "{'id':'D'}]}";

static void answered(drive_t *d, const wf_json_t *reply, const char *expected)
{
    drive_same(reply, expected);
    ck_assert_ptr_null(d->out.broken_rule);
}

START_TEST(a_flow_without_logic_walks_from_init_to_success)
{
    drive_t *d = drive_make(booking, NULL);

    answered(d, drive_send(d, "INIT", NULL, "{}"),
             "{'screen':'A','data':{'day':'2026-03-01','vip':false}}");
    ck_assert_int_eq(d->session->step, 1);
    ck_assert_str_eq(d->session->screen, "A");
    ck_assert_str_eq(d->session->status, "active");
    ck_assert_str_eq(d->session->reply_kind, "screen");
    ck_assert_str_eq(d->session->flow_name, "booking");
    ck_assert_int_eq(d->session->flow_version, 3);
    ck_assert_str_eq(drive_history(d), "A");
    answered(d, drive_send(d, "data_exchange", "A", "{'day':'2026-04-01','guests':4,'op':'x'}"),
             "{'screen':'B','data':{'times':[{'id':'1','title':'09:00'}],'day':'2026-04-01'}}");
    ck_assert_str_eq(drive_history(d), "A B");
    answered(d, drive_send(d, "data_exchange", "B", "{'time':'1'}"),
             "{'screen':'C','data':{'guests':4}}");
    ck_assert_str_eq(drive_history(d), "A B C");
    ck_assert_int_eq(d->out.completed, 0);
    answered(
        d, drive_send(d, "data_exchange", "C", "{'ok':true}"),
        "{'screen':'SUCCESS','data':{'extension_message_response':{'params':{'flow_token':'t-1',"
        "'day':'2026-04-01','guests':4,'op':'x','time':'1','ok':true}}}}");
    ck_assert_int_eq(d->out.completed, 1);
    drive_same(d->out.response,
               "{'flow_token':'t-1','day':'2026-04-01','guests':4,'op':'x','time':'1','ok':true}");
    ck_assert_str_eq(d->session->status, "completed");
    ck_assert_str_eq(d->session->reply_kind, "success");
    ck_assert_str_eq(d->session->screen, "C");
    ck_assert_int_eq(d->session->step, 4);
    ck_assert_int_eq(d->session->completed_at, DRIVE_START + apr_time_from_sec(4));
    ck_assert_int_eq(d->session->started_at, DRIVE_START + apr_time_from_sec(1));
}
END_TEST

START_TEST(the_engine_leaves_the_session_it_was_given_alone)
{
    drive_t *d = drive_make(booking, NULL);
    wf_session_t *before;
    const char *text;

    drive_send(d, "INIT", NULL, "{}");
    before = d->session;
    before->expires_at = 77;
    before->account_id = "acc";
    text = drive_record(before, NULL);
    drive_send(d, "data_exchange", "A", "{'x':'1'}");
    ck_assert_str_eq(drive_record(before, NULL), text);
    ck_assert_int_eq(d->session->expires_at, 77);
    ck_assert_str_eq(d->session->account_id, "acc");
    ck_assert_int_eq(d->session->step, 2);
}
END_TEST

START_TEST(an_answer_fills_a_key_only_where_its_type_fits)
{
    drive_t *d = drive_make(booking, NULL);

    drive_send(d, "data_exchange", "A", "{'day':7,'times':['1'],'guests':'4'}");
    drive_same(wf_json_get(drive_send(d, "data_exchange", "A", "{}"), "data"),
               "{'times':[{'id':'1','title':'09:00'}],'day':'none'}");
    drive_same(wf_json_get(drive_send(d, "data_exchange", "B", "{'vip':null}"), "data"),
               "{'guests':2}");
}
END_TEST

START_TEST(a_session_may_begin_with_any_action)
{
    drive_t *d = drive_make(booking, NULL);

    answered(d, drive_send(d, "data_exchange", "B", "{'guests':5}"),
             "{'screen':'C','data':{'guests':5}}");
    ck_assert_str_eq(drive_history(d), "B C");
    d = drive_make(booking, NULL);
    answered(d, drive_send(d, "BACK", "B", "{}"),
             "{'screen':'A','data':{'day':'2026-03-01','vip':false}}");
    d = drive_make(booking, NULL);
    answered(d, drive_send(d, "BACK", NULL, "{}"),
             "{'screen':'A','data':{'day':'2026-03-01','vip':false}}");
}
END_TEST

START_TEST(init_answers_the_screen_it_names_and_resumes_with_the_answers)
{
    drive_t *d = drive_make(booking, NULL);

    answered(d, drive_send(d, "INIT", "C", "{}"), "{'screen':'C','data':{'guests':2}}");
    drive_send(d, "data_exchange", "B", "{'guests':9,'day':'tomorrow'}");
    answered(d, drive_send(d, "INIT", "", "{}"),
             "{'screen':'A','data':{'day':'tomorrow','vip':false}}");
    ck_assert_str_eq(drive_history(d), "A");
    drive_same(d->session->answers, "{'guests':9,'day':'tomorrow'}");
}
END_TEST

START_TEST(back_goes_to_where_the_user_came_from)
{
    drive_t *d = drive_make(booking, NULL);

    drive_send(d, "INIT", NULL, "{}");
    drive_send(d, "data_exchange", "A", "{'day':'d1'}");
    drive_send(d, "data_exchange", "B", "{}");
    answered(d, drive_send(d, "BACK", "C", "{}"),
             "{'screen':'B','data':{'times':[{'id':'1','title':'09:00'}],'day':'d1'}}");
    ck_assert_str_eq(drive_history(d), "A B");
    answered(d, drive_send(d, "BACK", "B", "{}"), "{'screen':'A','data':{'day':'d1','vip':false}}");
    ck_assert_str_eq(drive_history(d), "A");
    answered(d, drive_send(d, "BACK", "A", "{}"), "{'screen':'A','data':{'day':'d1','vip':false}}");
    ck_assert_str_eq(drive_history(d), "A");
    drive_send(d, "data_exchange", "A", "{}");
    ck_assert_str_eq(drive_history(d), "A B");
}
END_TEST

START_TEST(a_back_carries_no_data)
{
    drive_t *d = drive_make(booking, NULL);

    drive_send(d, "data_exchange", "A", "{'day':'d1'}");
    drive_send(d, "BACK", "B", "{'day':'forged'}");
    drive_same(d->session->answers, "{'day':'d1'}");
}
END_TEST

START_TEST(history_follows_what_the_phone_did_on_its_own)
{
    drive_t *d = drive_make(booking, NULL);

    drive_send(d, "INIT", NULL, "{}");
    drive_send(d, "data_exchange", "A", "{}");
    drive_send(d, "data_exchange", "B", "{}");
    /* Two steps back without us, then forward again. */
    drive_send(d, "data_exchange", "A", "{'n':1}");
    ck_assert_str_eq(drive_history(d), "A B");
    /* B to D by navigate, which the server does not see; the way back is B. */
    ck_assert_str_eq(wf_json_get_str(drive_send(d, "BACK", "D", "{}"), "screen", ""), "B");
    ck_assert_str_eq(drive_history(d), "A B");
    /* From A straight to D: A is below, but no way leads there, so the inbound screen it is. */
    d = drive_make(booking, NULL);
    drive_send(d, "INIT", NULL, "{}");
    ck_assert_str_eq(wf_json_get_str(drive_send(d, "BACK", "D", "{}"), "screen", ""), "B");
    ck_assert_str_eq(drive_history(d), "A B");
    ck_assert_ptr_null(d->out.broken_rule);
}
END_TEST

START_TEST(history_keeps_the_newest_hundred)
{
    drive_t *d =
        drive_make("{'screens':[{'id':'A'},{'id':'B'}]}", "{'screens':{'B':[{'next':'A'}]}}");
    int i;

    for (i = 0; i < 120; i++) {
        drive_send(d, "data_exchange", i % 2 ? "B" : "A", apr_psprintf(test_pool, "{'n':%d}", i));
    }
    ck_assert_uint_eq(wf_json_len(d->session->history), 100);
    ck_assert_str_eq(d->session->screen, "A");
    ck_assert_str_eq(wf_json_str(wf_json_at(d->session->history, 99)), "A");
}
END_TEST

START_TEST(without_routes_the_order_of_screens_leads)
{
    drive_t *d = drive_make("{'screens':[{'id':'A'},{'id':'B'},{'id':'C'}]}", NULL);

    answered(d, drive_send(d, "INIT", NULL, "{}"), "{'screen':'A','data':{}}");
    answered(d, drive_send(d, "data_exchange", "A", "{}"), "{'screen':'B','data':{}}");
    answered(d, drive_send(d, "data_exchange", "B", "{'x':[]}"), "{'screen':'C','data':{}}");
    answered(d, drive_send(d, "data_exchange", "C", "{}"),
             "{'screen':'SUCCESS','data':{'extension_message_response':{'params':"
             "{'flow_token':'t-1','x':[]}}}}");
    /* A terminal screen ends even if others follow. */
    d = drive_make("{'screens':[{'id':'A','terminal':true},{'id':'B'}],'routing_model':{}}", NULL);
    drive_send(d, "data_exchange", "A", "{}");
    ck_assert_int_eq(d->out.completed, 1);
}
END_TEST

START_TEST(user_data_cannot_pose_as_the_protocol)
{
    drive_t *d = drive_make(booking, NULL);

    drive_send(d, "data_exchange", "B",
               "{'flow_token':'forged','extension_message_response':1,'error_message':'e','a':1}");
    drive_same(d->session->answers, "{'a':1}");
    drive_send(d, "data_exchange", "C",
               "{'flow_token':'again','n':null,'o':{'p':null,'q':[null,1]}}");
    drive_same(d->out.response, "{'flow_token':'t-1','a':1,'o':{'q':[1]}}");
}
END_TEST

START_TEST(a_null_takes_an_answer_back)
{
    drive_t *d = drive_make(booking, NULL);

    drive_send(d, "data_exchange", "A", "{'day':'x','kept':'y'}");
    drive_send(d, "data_exchange", "A", "{'day':null}");
    drive_same(d->session->answers, "{'kept':'y'}");
}
END_TEST

START_TEST(a_repeated_request_gets_the_same_reply_within_the_window)
{
    drive_t *d = drive_make(booking, NULL);
    const char *first;

    drive_send(d, "data_exchange", "A", "{'day':'x'}");
    first = d->out.reply;
    drive_send(d, "data_exchange", "A", "{'day':'x'}");
    ck_assert_int_eq(d->out.kind, WF_OUTCOME_REPEAT);
    ck_assert_str_eq(d->out.reply, first);
    ck_assert_ptr_null(d->out.session);
    ck_assert_int_eq(d->session->step, 1);
    drive_now += apr_time_from_sec(30);
    drive_send(d, "data_exchange", "A", "{'day':'x'}");
    ck_assert_int_eq(d->out.kind, WF_OUTCOME_REPLY);
    ck_assert_int_eq(d->session->step, 2);
    drive_send(d, "data_exchange", "A", "{'day':'y'}");
    ck_assert_int_eq(d->out.kind, WF_OUTCOME_REPLY);
}
END_TEST

START_TEST(a_completed_session_only_repeats_its_end)
{
    drive_t *d = drive_make(booking, NULL);
    const char *first;

    drive_send(d, "data_exchange", "C", "{'a':1}");
    first = d->out.reply;
    drive_now += apr_time_from_sec(3600);
    drive_send(d, "data_exchange", "C", "{'a':1}");
    ck_assert_int_eq(d->out.kind, WF_OUTCOME_REPEAT);
    ck_assert_str_eq(d->out.reply, first);
    drive_prepare(d, "data_exchange", "C", "{'a':2}");
    ck_assert_int_eq(wf_engine_run(test_ctx, &d->out, &d->in), WF_OK);
    ck_assert_int_eq(d->out.kind, WF_OUTCOME_FAIL);
    ck_assert_ptr_null(d->out.reply);
    d->session->status = WF_SESSION_EXPIRED;
    drive_prepare(d, "data_exchange", "C", "{'a':1}");
    ck_assert_int_eq(wf_engine_run(test_ctx, &d->out, &d->in), WF_OK);
    ck_assert_int_eq(d->out.kind, WF_OUTCOME_FAIL);
}
END_TEST

START_TEST(the_anonymous_leave_nothing_behind)
{
    drive_t *d = drive_make(booking, NULL);

    drive_send(d, "data_exchange", "A", "{'guests':8}");
    d->anonymous = 1; /* and a session that must not be looked at */
    answered(d, drive_send(d, "data_exchange", "B", "{'x':1}"),
             "{'screen':'C','data':{'guests':2}}");
    ck_assert_ptr_null(d->out.session);
    drive_send(d, "data_exchange", "A", "{'guests':8}");
    ck_assert_int_eq(d->out.kind, WF_OUTCOME_REPLY);
    drive_send(d, "data_exchange", "C", "{'y':1}");
    drive_same(d->out.response, "{'flow_token':'t-1','y':1}");
    ck_assert_int_eq(d->out.completed, 1);
    ck_assert_ptr_null(d->out.session);
}
END_TEST

static void refused(drive_t *d, const wf_json_t *reply, const char *screen, const char *data)
{
    ck_assert_str_eq(wf_json_get_str(reply, "screen", ""), screen);
    drive_same(wf_json_get(reply, "data"), data);
    ck_assert_ptr_nonnull(d->out.broken_rule);
    ck_assert_ptr_null(d->out.session);
    ck_assert_int_eq(d->out.kind, WF_OUTCOME_REPLY);
}

#define SORRY "'error_message':'Something went wrong. Please try again.'"

START_TEST(an_unknown_screen_or_action_gets_the_last_good_screen_and_changes_nothing)
{
    drive_t *d = drive_make(booking, NULL);

    refused(d, drive_send(d, "data_exchange", "Z", "{'day':'x'}"), "A",
            "{'day':'2026-03-01','vip':false," SORRY "}");
    refused(d, drive_send(d, "data_exchange", NULL, "{}"), "A",
            "{'day':'2026-03-01','vip':false," SORRY "}");
    drive_send(d, "data_exchange", "A", "{'day':'d2'}");
    refused(d, drive_send(d, "data_exchange", "SUCCESS", "{'day':'x'}"), "B",
            "{'times':[{'id':'1','title':'09:00'}],'day':'d2'," SORRY "}");
    ck_assert_ptr_nonnull(strstr(d->out.broken_rule, "unknown screen SUCCESS"));
    refused(d, drive_send(d, "complete", "B", "{'day':'x'}"), "B",
            "{'times':[{'id':'1','title':'09:00'}],'day':'d2'," SORRY "}");
    refused(d, drive_send(d, "init", NULL, "{}"), "B",
            "{'times':[{'id':'1','title':'09:00'}],'day':'d2'," SORRY "}");
    refused(d, drive_send(d, "BACK", "Z", "{}"), "B",
            "{'times':[{'id':'1','title':'09:00'}],'day':'d2'," SORRY "}");
    refused(d, drive_send(d, "INIT", "Z", "{}"), "A", "{'day':'d2','vip':false," SORRY "}");
    ck_assert_int_eq(d->session->step, 1);
}
END_TEST

START_TEST(a_company_or_a_flow_may_word_the_error)
{
    drive_t *d = drive_make(booking, NULL);

    d->company = drive_json("{'settings':{'flow_error_message':'Tente novamente.'}}");
    ck_assert_str_eq(wf_json_get_str(wf_json_get(drive_send(d, "data_exchange", "Z", "{}"), "data"),
                                     "error_message", ""),
                     "Tente novamente.");
    d->plan =
        drive_compile(drive_json(booking), drive_json("{'error_message':'Deste fluxo.'}"), NULL);
    ck_assert_str_eq(wf_json_get_str(wf_json_get(drive_send(d, "data_exchange", "Z", "{}"), "data"),
                                     "error_message", ""),
                     "Deste fluxo.");
}
END_TEST

START_TEST(answers_are_bounded)
{
    drive_t *d = drive_make(booking, NULL);
    char *big = apr_palloc(test_pool, 150001);
    const wf_json_t *reply;

    memset(big, 'x', 150000);
    big[150000] = '\0';
    drive_send(d, "data_exchange", "A", apr_pstrcat(test_pool, "{'a':'", big, "'}", NULL));
    ck_assert_int_eq(d->session->step, 1);
    reply = drive_send(d, "data_exchange", "B", apr_pstrcat(test_pool, "{'b':'", big, "'}", NULL));
    refused(d, reply, "B", "{'times':[{'id':'1','title':'09:00'}],'day':'none'," SORRY "}");
    drive_send(d, "data_exchange", "B", apr_pstrcat(test_pool, "{'a':'", big, "'}", NULL));
    ck_assert_int_eq(d->session->step, 2);
}
END_TEST

START_TEST(a_damaged_plan_is_told_apart)
{
    drive_t *d = drive_make(booking, NULL);
    const char *text = "wfplan1\nH\tA\t\t\nS\tA\t\t\t\t!\t{}\n";

    d->plan = drive_open(text, strlen(text));
    drive_prepare(d, "INIT", NULL, "{}");
    ck_assert_int_eq(wf_engine_run(test_ctx, &d->out, &d->in), WF_EINTERNAL);
    ck_assert_int_eq(d->out.kind, WF_OUTCOME_FAIL);
    ck_assert_ptr_null(d->out.reply);
}
END_TEST

/* ---- the stored form ---- */

START_TEST(a_session_survives_its_text)
{
    static const char text[] =
        "{\"id\":\"s\",\"company_id\":\"c\",\"flow_id\":\"f\",\"token_hash\":\"ab\","
        "\"status\":\"active\",\"screen\":\"A\",\"request_hash\":\"00\",\"reply\":{\"x\":1},"
        "\"reply_kind\":\"error\",\"flow_version\":4,\"step\":9,\"answers\":{\"q\":[1]},"
        "\"history\":[\"A\"],\"started_at\":1772359200000001,\"last_step_at\":5,\"expires_at\":6,"
        "\"completed_at\":0}";
    const char *same;
    wf_session_t *s;
    size_t len;

    ck_assert_int_eq(wf_session_parse(test_ctx, &s, text, strlen(text)), WF_OK);
    ck_assert_str_eq(s->reply, "{\"x\":1}");
    ck_assert_ptr_null(s->account_id);
    ck_assert_int_eq(s->step, 9);
    ck_assert_int_eq(s->flow_version, 4);
    ck_assert_int_eq(s->started_at, INT64_C(1772359200000001));
    same = drive_record(s, &len);
    ck_assert_str_eq(same, text);
    ck_assert_uint_eq(len, strlen(text));
}
END_TEST

START_TEST(any_text_survives_in_a_session)
{
    wf_session_t session, *same;
    const char *text;
    size_t len;

    memset(&session, 0, sizeof(session));
    session.id = session.company_id = session.flow_id = session.token_hash = "x";
    session.status = WF_SESSION_ACTIVE;
    session.flow_name = "n\"\\";
    session.screen = "\x01\t\n\x1f\"\\/\xc3\xa9{}\x7f";
    text = drive_record(&session, &len);
    ck_assert_int_eq(wf_session_parse(test_ctx, &same, text, len), WF_OK);
    ck_assert_str_eq(same->screen, session.screen);
    ck_assert_str_eq(same->flow_name, session.flow_name);
    drive_same(same->answers, "{}");
    drive_same(same->history, "[]");
}
END_TEST

START_TEST(unknown_and_null_members_of_a_stored_session_are_fine_missing_ones_are_not)
{
    const char *good =
        "{'id':'s','company_id':'c','flow_id':'f','token_hash':'ab','status':'expired',"
        "'step':0,'answers':{},'history':[],'reply':null,'started_at':null,'new':{}}";
    static const char *const needed[] = {"id",     "company_id", "flow_id", "token_hash",
                                         "status", "step",       "answers", "history"};
    static const char *const wrong[] = {
        "{'status':'open'}", "{'step':-1}",    "{'step':'1'}",      "{'step':1.5}",
        "{'answers':[]}",    "{'history':{}}", "{'history':[1]}",   "{'reply':''}",
        "{'screen':1}",      "{'id':null}",    "{'started_at':-1}", "{'expires_at':'now'}",
    };
    wf_session_t *s;
    const char *text;
    wf_json_t *v;
    size_t i, len;

    text = wf_json_text(test_pool, drive_json(good), &len);
    ck_assert_int_eq(wf_session_parse(test_ctx, &s, text, len), WF_OK);
    ck_assert_ptr_null(s->reply);
    for (i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
        v = drive_json(good);
        wf_json_remove(v, needed[i]);
        text = wf_json_text(test_pool, v, &len);
        ck_assert_msg(wf_session_parse(test_ctx, &s, text, len) == WF_EINVALID, "%s", text);
        ck_assert_ptr_null(s);
    }
    for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        wf_json_iter_t it = wf_json_iter(drive_json(wrong[i]));
        v = drive_json(good);
        wf_json_next(&it);
        wf_json_set(v, it.key, it.value);
        text = wf_json_text(test_pool, v, &len);
        ck_assert_msg(wf_session_parse(test_ctx, &s, text, len) == WF_EINVALID, "%s", text);
    }
    ck_assert_int_eq(wf_session_parse(test_ctx, &s, "[]", 2), WF_EINVALID);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("engine");
    TCase *tc = wf_test_case(suite, "engine");

    tcase_add_test(tc, a_flow_without_logic_walks_from_init_to_success);
    tcase_add_test(tc, the_engine_leaves_the_session_it_was_given_alone);
    tcase_add_test(tc, an_answer_fills_a_key_only_where_its_type_fits);
    tcase_add_test(tc, a_session_may_begin_with_any_action);
    tcase_add_test(tc, init_answers_the_screen_it_names_and_resumes_with_the_answers);
    tcase_add_test(tc, back_goes_to_where_the_user_came_from);
    tcase_add_test(tc, a_back_carries_no_data);
    tcase_add_test(tc, history_follows_what_the_phone_did_on_its_own);
    tcase_add_test(tc, history_keeps_the_newest_hundred);
    tcase_add_test(tc, without_routes_the_order_of_screens_leads);
    tcase_add_test(tc, user_data_cannot_pose_as_the_protocol);
    tcase_add_test(tc, a_null_takes_an_answer_back);
    tcase_add_test(tc, a_repeated_request_gets_the_same_reply_within_the_window);
    tcase_add_test(tc, a_completed_session_only_repeats_its_end);
    tcase_add_test(tc, the_anonymous_leave_nothing_behind);
    tcase_add_test(tc, an_unknown_screen_or_action_gets_the_last_good_screen_and_changes_nothing);
    tcase_add_test(tc, a_company_or_a_flow_may_word_the_error);
    tcase_add_test(tc, answers_are_bounded);
    tcase_add_test(tc, a_damaged_plan_is_told_apart);
    tcase_add_test(tc, a_session_survives_its_text);
    tcase_add_test(tc, any_text_survives_in_a_session);
    tcase_add_test(tc, unknown_and_null_members_of_a_stored_session_are_fine_missing_ones_are_not);
    return wf_test_run(suite);
}

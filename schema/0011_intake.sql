-- Webhooks of WhatsApp: the events of one POST are one call and one transaction.
--
-- Many POSTs run at once, in any order and more than once, and must neither wait for each other in a circle
-- nor end in another state than in order. So rows are taken in one order everywhere: events by key, sessions by
-- token, opt-outs and health by their keys, the outbox, and the counters last; and what may come late carries the
-- time it is of.

-- How each flow is, by Meta's reports: the newest of each kind.
create table wflows.flow_health (
    company_id uuid not null,
    meta_flow_id text not null,
    event text not null, -- flow_status_change, endpoint_latency …
    at timestamptz not null,
    payload json not null,
    primary key (company_id, meta_flow_id, event),
    constraint flow_health_meta_flow_id_check check (char_length(meta_flow_id) between 1 and 256),
    constraint flow_health_event_check check (event ~ '^[a-z0-9_-]{1,64}$')
);
call wflows.protect('wflows.flow_health');
grant select, insert, update, delete on wflows.flow_health to wflows_app, wflows_platform;

-- Which WhatsApp message carried the flow of a session, once that is known. Not a column of flow_sessions, which
-- bears no index beside its key.
create table wflows.flow_messages (
    company_id uuid not null,
    message_id text not null,
    token_hash bytea not null,
    created_at timestamptz not null default now(),
    primary key (company_id, message_id),
    constraint flow_messages_message_id_check check (char_length(message_id) between 1 and 512)
);
create index flow_messages_by_time on wflows.flow_messages (company_id, created_at);
call wflows.protect('wflows.flow_messages');
grant select, insert, delete on wflows.flow_messages to wflows_app;
grant select, insert, update, delete on wflows.flow_messages to wflows_platform;

-- Flow messages that we sent, or tried to. Without the person they went to.
create table wflows.sent_messages (
    company_id uuid not null constraint sent_messages_company_id_fkey references wflows.companies (id),
    id uuid not null,
    account_id uuid not null,
    flow_id uuid not null,
    kind text not null,
    status text not null default 'sending',
    token_hash bytea not null,
    message_id text, -- Meta's, once it is sent
    send_key text,   -- of the caller's Idempotency-Key: one message for each
    error_code text,
    created_by text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (company_id, id),
    constraint sent_messages_send_key_key unique (company_id, send_key),
    constraint sent_messages_kind_check check (kind in ('interactive', 'template')),
    -- unknown: Meta did not answer, it may have been sent
    constraint sent_messages_status_check check (status in ('sending', 'sent', 'failed', 'unknown'))
);
create unique index sent_messages_message_id_key on wflows.sent_messages (company_id, message_id)
    where message_id is not null;
create index sent_messages_by_time on wflows.sent_messages (company_id, created_at);
call wflows.protect('wflows.sent_messages');
grant select, insert, update, delete on wflows.sent_messages to wflows_app, wflows_platform;

-- What could not be added to the counters at once because another POST was doing so: added by the next one, or by a job. Every
-- POST of a company would wait for the commit of the one before if all of them changed its rows.
create table wflows.counts_pending (
    company_id uuid not null,
    id uuid not null,
    account_id uuid,
    month text not null,
    events int not null,
    messages_received int not null,
    messages_sent int not null,
    flows_completed int not null,
    at timestamptz not null,
    primary key (company_id, id)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
call wflows.protect('wflows.counts_pending');
grant select, insert, delete on wflows.counts_pending to wflows_app;
grant select, insert, update, delete on wflows.counts_pending to wflows_platform;

-- Adds what waits to the counters of the company's accounts and months. False: somebody else is doing so.
-- With the tenant set. The lock is held until the end of the transaction, so only one changes these rows.
create function wflows.counts_fold(p_company uuid) returns boolean
language plpgsql
as $$
declare
    v_rows wflows.counts_pending[];
begin
    if not pg_try_advisory_xact_lock(hashtextextended('wflows.counts:' || p_company, 0)) then
        return false;
    end if;
    with gone as (delete from wflows.counts_pending c where c.company_id = p_company returning c.*)
    select array_agg(g::wflows.counts_pending) into v_rows from gone g;
    perform wflows.counts_apply(p_company, v_rows);
    return true;
end
$$;

create function wflows.counts_apply(p_company uuid, p_rows wflows.counts_pending[]) returns void
language plpgsql
as $$
begin
    update wflows.whatsapp_accounts a
    set total_messages_sent = a.total_messages_sent + n.sent,
        total_flows_completed = a.total_flows_completed + n.completed,
        last_activity_at = greatest(a.last_activity_at, n.at)
    from (select r.account_id, sum(r.messages_sent) as sent, sum(r.flows_completed) as completed,
                 max(r.at) as at
          from unnest(p_rows) r where r.account_id is not null group by r.account_id) n
    where a.company_id = p_company and a.id = n.account_id;
    with counted as (
        select r.month, m.metric, sum(m.n) as n
        from unnest(p_rows) r,
             lateral (values ('webhook_event', r.events), ('message_received', r.messages_received),
                             ('message_sent', r.messages_sent),
                             ('flow_completed', r.flows_completed)) as m (metric, n)
        group by r.month, m.metric having sum(m.n) > 0),
    by_day as (
        insert into wflows.usage_days as d (company_id, day, metric, n)
        select p_company, (now() at time zone 'UTC')::date, c.metric, sum(c.n)
        from counted c group by c.metric order by c.metric
        on conflict (company_id, day, metric) do update set n = d.n + excluded.n)
    insert into wflows.usage_counters as u (company_id, month, metric, n)
    select p_company, c.month, c.metric, c.n from counted c order by c.month, c.metric
    on conflict (company_id, month, metric) do update set n = u.n + excluded.n;
end
$$;

-- For the job that counts when no more webhooks come: one company's, the first that nobody else is folding. How
-- many companies: 1 or 0. As wflows_platform.
create function wflows.counts_fold_next() returns int
language plpgsql
as $$
declare
    v_company uuid := '00000000-0000-0000-0000-000000000000';
begin
    loop
        v_company := (select c.company_id from wflows.counts_pending c
                      where c.company_id > v_company order by c.company_id limit 1);
        if v_company is null then
            return 0;
        elsif wflows.counts_fold(v_company) then
            return 1;
        end if;
    end loop;
end
$$;

-- Counts the new events of one POST, or leaves them to be counted.
create function wflows.counts_add(p_company uuid, p_rows wflows.counts_pending[]) returns void
language plpgsql
as $$
begin
    if p_rows is null then
        return;
    end if;
    if wflows.counts_fold(p_company) then
        perform wflows.counts_apply(p_company, p_rows);
    else
        insert into wflows.counts_pending select * from unnest(p_rows);
    end if;
end
$$;

-- Whether an account wants events of this type: an entry is a type, 'prefix.*', or '*'.
create function wflows.event_wanted(p_types text[], p_type text) returns boolean
language sql immutable parallel safe
return p_type = any (p_types)
       or exists (select from unnest(p_types) t
                  where right(t, 1) = '*' and starts_with(p_type, left(t, -1)));

-- The answers of a finished flow: the session by its token, else by the message that carried it; one response
-- of each message. The endpoint's own response of the session, which knows no message, becomes that of the first one;
-- what else comes for the session (a flow sent twice, a token that two people share) is a response beside it. `changed`: the session was active until now, so what is cached of it is wrong.
create function wflows.intake_flow_reply(
    p_company uuid, p_account uuid, p_token_hash text, p_context_id text, p_message_id text,
    p_contact text, p_response json, out session wflows.flow_sessions, out changed boolean,
    out response_id uuid)
language plpgsql
as $$
declare
    v_hash bytea := decode(p_token_hash, 'hex');
begin
    changed := false;
    for v_try in 1 .. 2 loop
        if v_try = 2 then
            v_hash := (select m.token_hash from wflows.flow_messages m
                       where m.company_id = p_company and m.message_id = p_context_id);
        end if;
        select s.* into session from wflows.flow_sessions s
        where s.company_id = p_company and s.token_hash = v_hash
        for no key update;
        exit when found;
    end loop;
    if session.id is not null then
        changed := session.status in ('active', 'expired');
        if changed then
            -- The record is wf_session_format's text: what stands before "status" are ids and names, and
            -- "completed_at" is its last member.
            update wflows.flow_sessions s
            set status = 'completed', expiry_slot = null, completed_at = now(),
                record = regexp_replace(
                    regexp_replace(s.record, '"status":"(active|expired)"', '"status":"completed"'),
                    '"completed_at":0\}$', '"completed_at":' || wflows.time_us(now()) || '}')
            where s.company_id = p_company and s.token_hash = session.token_hash;
        end if;
        if p_context_id is not null then
            insert into wflows.flow_messages (company_id, message_id, token_hash)
            values (p_company, p_context_id, session.token_hash)
            on conflict (company_id, message_id) do nothing;
        end if;
        update wflows.flow_responses r
        set message_id = p_message_id, phone_number = p_contact
        where r.company_id = p_company and r.session_id = session.id and r.source = 'endpoint'
          and r.message_id is null and r.phone_number is null
        returning r.id into response_id;
        if found then
            return;
        end if;
    else
        -- A flow without an endpoint has no session: the message that we sent says which flow it was.
        select m.flow_id, f.name into session.flow_id, session.flow_name
        from wflows.sent_messages m
        join wflows.flows f on f.company_id = m.company_id and f.id = m.flow_id
        where m.company_id = p_company and m.message_id = p_context_id;
    end if;
    insert into wflows.flow_responses (company_id, id, session_id, account_id, flow_id, flow_name,
                                       source, message_id, phone_number, response)
    values (p_company, gen_random_uuid(), session.id, coalesce(p_account, session.account_id),
            session.flow_id, session.flow_name, 'webhook', p_message_id, p_contact, p_response)
    on conflict (company_id, message_id) where message_id is not null do nothing
    returning id into response_id;
end
$$;

-- The newest word counts, whenever it comes; of two at the same time the one for silence.
create function wflows.intake_preference(
    p_company uuid, p_contact text, p_category text, p_value text, p_at timestamptz) returns void
language sql
begin atomic
    insert into wflows.opt_outs as o (company_id, contact, category, source, active, changed_at)
    values (p_company, p_contact, p_category, 'whatsapp', p_value = 'stop', p_at)
    on conflict (company_id, contact, category) do update
    set active = excluded.active, changed_at = excluded.changed_at, source = excluded.source
    where (excluded.changed_at, excluded.active) > (o.changed_at, o.active);
end;

create function wflows.intake_health(
    p_company uuid, p_flow text, p_event text, p_at timestamptz, p_payload json) returns void
language sql
begin atomic
    insert into wflows.flow_health as h (company_id, meta_flow_id, event, at, payload)
    values (p_company, p_flow, p_event, p_at, p_payload)
    on conflict (company_id, meta_flow_id, event) do update
    set at = excluded.at, payload = excluded.payload
    where (excluded.at, md5(excluded.payload::text)) > (h.at, md5(h.payload::text));
end;

-- Whose number it is: the one it names, else the account that the path names (p_named), else (for what is told
-- of no number) an account of the same WABA. NULL: not the company's.
create function wflows.intake_route(p_company uuid, p_named uuid, p_phone_number_id text,
                                    p_waba_id text) returns uuid
language sql stable
begin atomic
    select coalesce(
        (select a.id from wflows.whatsapp_accounts a
         where a.company_id = p_company and a.phone_number_id = p_phone_number_id
           and a.deleted_at is null),
        p_named,
        (select a.id from wflows.whatsapp_accounts a
         where a.company_id = p_company and p_phone_number_id is null and a.waba_id = p_waba_id
           and a.deleted_at is null
         order by a.is_default desc, a.id limit 1));
end;

-- What is told to the company of a new event: DESIGN.md section 8 for a finished flow.
create function wflows.callback_payload(
    p_company uuid, p_account uuid, p_event_type text, p_at timestamptz, p_contact text,
    p_message_id text, p_data json, p_is_reply boolean, p_flow_token text, p_flow_id uuid,
    p_flow_name text) returns json
language sql stable
return case when p_is_reply
    then json_build_object('event_type', p_event_type, 'flow_token', p_flow_token,
                           'flow_id', p_flow_id, 'flow_name', p_flow_name, 'phone_number', p_contact,
                           'response_data', p_data, 'timestamp', wflows.time_text(p_at),
                           'company_id', p_company, 'account_id', p_account,
                           'message_id', p_message_id)
    else json_build_object('event_type', p_event_type, 'timestamp', wflows.time_text(p_at),
                           'company_id', p_company, 'account_id', p_account,
                           'phone_number', p_contact, 'message_id', p_message_id, 'data', p_data)
    end;

-- An event of our own: stored once for each key, and a callback where its account (else the default one) wants
-- it, as for what comes in.
create function wflows.event_tell(p_company uuid, p_account uuid, p_type text, p_key text, p_data json,
                                  p_contact text, p_message_id text) returns void
language plpgsql
as $$
begin
    insert into wflows.webhook_events (company_id, id, account_id, event_type, dedup_key, payload, status,
                                       processed_at)
    values (p_company, gen_random_uuid(), p_account, p_type, p_key, p_data, 'processed', now())
    on conflict (company_id, dedup_key) do nothing;
    if found then
        perform wflows.outbox_add(p_company, 'callback', a.id, p_type, p_key,
            wflows.callback_payload(p_company, p_account, p_type, now(), p_contact, p_message_id, p_data,
                                    false, null, null, null))
        from wflows.whatsapp_accounts a
        where a.company_id = p_company and (a.id = p_account or p_account is null and a.is_default)
          and a.deleted_at is null and a.callback_webhook_url is not null
          and wflows.event_wanted(a.callback_event_types, p_type);
    end if;
end
$$;

-- Takes in the events of one POST, no two with the same key. Arrays of one length, an element for each event
-- (wf_intake_store.c). Answers a row for each: its number from 0, 'stored', 'duplicate' or 'unrouted' (stored
-- too), and the token hash of a session that it completed.
create function wflows.intake(
    p_company uuid, p_named uuid, p_kind text[], p_type text[], p_key text[], p_payload text[],
    p_waba text[], p_phone text[], p_at text[], p_message text[], p_context text[],
    p_contact text[], p_status text[], p_subject text[], p_token_hash text[], p_token text[],
    p_response text[], p_files text[])
returns table (number int, outcome text, token_hash text)
language plpgsql
as $$
declare
    v_before text := wflows.tenant_enter(p_company);
    v_default uuid := (select a.id from wflows.whatsapp_accounts a
                       where a.company_id = p_company and a.is_default);
    v_reply record;
    v_flow uuid;
    v_flow_name text;
    v_counts wflows.counts_pending[];
    v_at timestamptz;
    v_is_reply boolean;
    e record;
begin
    for e in
        with given as materialized (
            select g.*, wflows.intake_route(p_company, p_named, g.phone, g.waba) as account
            from unnest(p_kind, p_type, p_key, p_payload, p_waba, p_phone, p_at, p_message, p_context,
                        p_contact, p_status, p_subject, p_token_hash, p_token, p_response,
                        p_files)
                 with ordinality as g (kind, type, key, payload, waba, phone, at, message, context,
                                       contact, status, subject, hash, token, response, files, n)),
        stored as (
            insert into wflows.webhook_events (company_id, id, account_id, waba_id, phone_number_id,
                                               event_type, dedup_key, payload, status, processed_at)
            select p_company, gen_random_uuid(), g.account, g.waba, g.phone, g.type, g.key,
                   g.payload::json, case when g.account is null then 'unrouted' else 'processed' end,
                   now()
            from given g order by g.key
            on conflict (company_id, dedup_key) do nothing
            returning dedup_key)
        select g.*, s.dedup_key is not null as is_new,
               (select a.id from wflows.whatsapp_accounts a
                where a.company_id = p_company and a.id = coalesce(g.account, v_default)
                  and a.deleted_at is null and a.callback_webhook_url is not null
                  and wflows.event_wanted(a.callback_event_types, g.type)) as wanted_by
        from given g left join stored s on s.dedup_key = g.key
        order by g.hash, g.contact, g.subject, g.status, g.key
    loop
        number := e.n - 1;
        outcome := case when not e.is_new then 'duplicate' when e.account is null then 'unrouted'
                        else 'stored' end;
        token_hash := null;
        if e.is_new then
            v_at := coalesce(wflows.us_time(e.at::bigint), now());
            v_is_reply := e.response is not null;
            v_flow := null;
            v_flow_name := null;
            if v_is_reply then
                v_reply := wflows.intake_flow_reply(p_company, e.account, e.hash, e.context, e.message,
                                                    e.contact, e.response::json);
                v_flow := (v_reply.session).flow_id;
                v_flow_name := (v_reply.session).flow_name;
                if v_reply.changed then
                    token_hash := encode((v_reply.session).token_hash, 'hex');
                end if;
                if e.files is not null then
                    perform wflows.media_add(p_company,
                        coalesce(e.account, (v_reply.session).account_id), (v_reply.session).id,
                        v_reply.response_id, e.token, e.files::json);
                end if;
            elsif e.kind = 'preference' and e.status in ('stop', 'resume')
                  and e.contact is not null then
                perform wflows.intake_preference(p_company, e.contact, e.subject, e.status, v_at);
            elsif e.kind = 'flow' and e.subject is not null and e.status is not null then
                perform wflows.intake_health(p_company, e.subject, e.status, v_at, e.payload::json);
            end if;
            if e.wanted_by is not null then
                perform wflows.outbox_add(p_company, 'callback', e.wanted_by, e.type, e.key,
                    wflows.callback_payload(p_company, e.account, e.type, v_at, e.contact, e.message,
                        coalesce(e.response, e.payload)::json, v_is_reply, e.token,
                        v_flow, v_flow_name));
            end if;
            v_counts := v_counts || row(p_company, gen_random_uuid(), e.account,
                to_char(now() at time zone 'UTC', 'YYYY-MM'), 1, (e.kind = 'message')::int,
                (e.kind = 'status' and e.status = 'sent')::int, v_is_reply::int,
                now())::wflows.counts_pending;
        end if;
        return next;
    end loop;
    -- One row for each account: an array of thousands would be copied thousands of times.
    perform wflows.counts_add(p_company, (
        select array_agg(row(p_company, gen_random_uuid(), c.account_id, c.month, c.events, c.received,
                             c.sent, c.completed, now())::wflows.counts_pending)
        from (select r.account_id, r.month, sum(r.events)::int as events,
                     sum(r.messages_received)::int as received, sum(r.messages_sent)::int as sent,
                     sum(r.flows_completed)::int as completed
              from unnest(v_counts) r group by r.account_id, r.month) c));
    v_before := set_config('app.tenant_id', v_before, true);
end
$$;

-- The secrets of all accounts of a company, the default one first: whoever of them signed or subscribed a
-- webhook that names none. Sealed, as everywhere.
create function wflows.webhook_secrets(p_company uuid, p_limit int) returns json
language plpgsql
as $$
declare
    v_before text := wflows.tenant_enter(p_company);
    v_secrets json;
begin
    v_secrets := (
        select coalesce(json_agg(json_build_object(
                   'id', s.id, 'app_secret', s.app_secret, 'previous_app_secret', s.previous_app_secret,
                   'previous_secret_until_us', wflows.time_us(s.previous_secret_until),
                   'verify_token', s.verify_token)), '[]')
        from (select a.* from wflows.whatsapp_accounts a
              where a.company_id = p_company and a.deleted_at is null
              order by a.is_default desc, a.id limit p_limit) s);
    v_before := set_config('app.tenant_id', v_before, true);
    return v_secrets;
end
$$;

revoke execute on all routines in schema wflows from public;
grant execute on function
    wflows.counts_fold(uuid), wflows.counts_apply(uuid, wflows.counts_pending[]),
    wflows.counts_add(uuid, wflows.counts_pending[]), wflows.event_wanted(text[], text),
    wflows.intake_flow_reply(uuid, uuid, text, text, text, text, json),
    wflows.intake_preference(uuid, text, text, text, timestamptz),
    wflows.intake_health(uuid, text, text, timestamptz, json),
    wflows.intake_route(uuid, uuid, text, text),
    wflows.callback_payload(uuid, uuid, text, timestamptz, text, text, json, boolean, text, uuid, text),
    wflows.intake(uuid, uuid, text[], text[], text[], text[], text[], text[], text[], text[], text[],
                  text[], text[], text[], text[], text[], text[], text[]),
    wflows.webhook_secrets(uuid, int),
    wflows.event_tell(uuid, uuid, text, text, json, text, text)
    to wflows_app;
grant execute on function
    wflows.event_wanted(text[], text),
    wflows.event_tell(uuid, uuid, text, text, json, text, text),
    wflows.callback_payload(uuid, uuid, text, timestamptz, text, text, json, boolean, text, uuid, text),
    wflows.counts_fold_next(), wflows.counts_fold(uuid), wflows.counts_apply(uuid, wflows.counts_pending[])
    to wflows_platform;

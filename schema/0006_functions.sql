-- What must be one call: the look-ups that cross companies, and the steps of the hot path.
--
-- No function shows company B to a transaction whose tenant is A: a look-up finds nothing, a step is
-- refused. The steps set the tenant themselves (one round trip instead of two) and set it back, so that
-- one transaction may hold steps of several companies.

create function wflows.schema_version() returns int
language sql stable security definer parallel safe
set search_path = pg_catalog, pg_temp
begin atomic
    select coalesce(max(m.version), 0) from wflows.schema_migrations m;
end;

-- An account as wf_tenant.c reads it.
create function wflows.account_record(p_account wflows.whatsapp_accounts) returns json
language sql stable parallel safe
return json_build_object(
    'id', p_account.id, 'name', p_account.name, 'phone_number_id', p_account.phone_number_id,
    'waba_id', p_account.waba_id, 'status', p_account.status, 'is_default', p_account.is_default,
    'default_flow_name', p_account.default_flow_name,
    'flow_endpoint_timeout', p_account.flow_endpoint_timeout,
    'rate_limit_window_ms', p_account.rate_limit_window_ms,
    'rate_limit_max_requests', p_account.rate_limit_max_requests,
    'app_secret', p_account.app_secret, 'previous_app_secret', p_account.previous_app_secret,
    'previous_secret_until_us', wflows.time_us(p_account.previous_secret_until),
    'private_key', p_account.private_key, 'previous_private_key', p_account.previous_private_key,
    'previous_key_until_us', wflows.time_us(p_account.previous_key_until),
    'next_private_key', p_account.next_private_key,
    'callback_secret', p_account.callback_secret, 'settings', p_account.settings);

-- One account of a company: its default one (p_account null), or by id, or by phone_number_id.
create function wflows.account_record_find(p_company uuid, p_account text) returns json
language plpgsql stable
as $$
begin
    if p_account is null then
        return (select wflows.account_record(a) from wflows.whatsapp_accounts a
                where a.company_id = p_company and a.is_default);
    elsif p_account ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$' then
        return (select wflows.account_record(a) from wflows.whatsapp_accounts a
                where a.company_id = p_company and a.id = p_account::uuid and a.deleted_at is null);
    end if;
    return (select wflows.account_record(a) from wflows.whatsapp_accounts a
            where a.company_id = p_company and a.phone_number_id = p_account
              and a.deleted_at is null);
end
$$;

-- What a request's tenant context is made of. NULL: no such company, or it has no such account.
create function wflows.tenant_record(p_slug text, p_account text) returns json
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_tenant uuid := nullif(current_setting('app.tenant_id', true), '')::uuid;
    v_id uuid;
    v_company json;
    v_account json;
begin
    select c.id,
           json_build_object('id', c.id, 'slug', c.slug, 'name', c.name,
                             'display_name', c.display_name, 'status', c.status,
                             'subscription_plan', c.subscription_plan,
                             'max_monthly_messages',
                             coalesce(c.max_monthly_messages, (select p.max_monthly_messages
                                                               from wflows.plans p
                                                               where p.name = c.subscription_plan)),
                             'settings', c.settings)
    into v_id, v_company
    from wflows.companies c
    where c.slug = p_slug and c.deleted_at is null and (v_tenant is null or c.id = v_tenant);
    if not found then
        return null;
    end if;
    v_account := wflows.account_record_find(v_id, p_account);
    if v_account is null and p_account is not null then
        return null;
    end if;
    return json_build_object(
        'company', v_company,
        'accounts', case when v_account is null then '[]' else json_build_array(v_account) end,
        'data_keys', (select coalesce(json_object_agg(k.id, k.wrapped), '{}')
                      from wflows.data_keys k where k.company_id = v_id));
end
$$;

-- The company's other active accounts, whose keys are tried when a request names none
-- (WF_TENANT_ACCOUNTS_MAX - 1 of them at most).
create function wflows.tenant_record_others(p_company uuid, p_except uuid) returns json
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if nullif(current_setting('app.tenant_id', true), '')::uuid <> p_company then
        return '[]';
    end if;
    return (select coalesce(json_agg(o.record), '[]')
            from (select wflows.account_record(a) as record
                  from wflows.whatsapp_accounts a
                  where a.company_id = p_company and a.status = 'active' and a.deleted_at is null
                    and a.id is distinct from p_except
                  order by a.is_default desc, a.id
                  limit 7) o);
end
$$;

-- The next company of a call that began with the tenant p_before: returns it, set. Whoever began with one
-- company gets to no other.
create function wflows.tenant_switch(p_before text, p_company text) returns text
language plpgsql
as $$
begin
    if p_company is null or p_before not in ('', p_company) then
        raise exception 'the tenant of this transaction is another company'
              using errcode = 'insufficient_privilege';
    end if;
    return set_config('app.tenant_id', p_company, true);
end
$$;

-- Sets the tenant for the rest of the calling function; returns what it has to set back.
create function wflows.tenant_enter(p_company uuid) returns text
language plpgsql
as $$
declare
    v_before text := coalesce(current_setting('app.tenant_id', true), '');
    v_company text := p_company::text;
begin
    if v_before is distinct from v_company then
        v_company := wflows.tenant_switch(v_before, v_company);
    end if;
    return v_before;
end
$$;

-- Commits a group of steps, of any companies, one after the other: 15 values for each (WF_STEP_PARAMS:
-- company, session, account, flow, flow name, flow version, token hash, step, status, screen, record,
-- data_api_version, expiry in microseconds, response, files). Answers a row for each step that somebody else was
-- before: its number from 0, and the stored record (NULL: there is no such session).
--
-- Every exchange goes through here, so its cost is that of the server. One statement for all, because
-- starting one costs as much as a step. The values go through variables, because an expression in a
-- statement is prepared for every row, one in an assignment once for the group. "is not distinct from" is
-- "=" that the planner does not compare with the wall's own condition, which gives it the index.
create function wflows.session_steps(p_values text[])
returns table (number int, stored text)
language plpgsql
as $$
#variable_conflict use_column
declare
    c_hour_us constant bigint := 3600000000;
    v_before text := coalesce(current_setting('app.tenant_id', true), '');
    v_tenant text := v_before;
    v_company uuid;
    v_session uuid;
    v_account uuid;
    v_flow uuid;
    v_flow_name text;
    v_flow_version int;
    v_hash bytea;
    v_step bigint;
    v_status wflows.session_status;
    v_screen text;
    v_record text;
    v_api_version text;
    v_expires timestamptz;
    v_expiry_slot int;
    v_completed timestamptz;
    b int := 0;
begin
    while b < cardinality(p_values) loop
        if v_tenant is distinct from p_values[b + 1] then
            v_tenant := wflows.tenant_switch(v_before, p_values[b + 1]);
        end if;
        v_company := p_values[b + 1];
        v_hash := decode(p_values[b + 7], 'hex');
        v_step := p_values[b + 8];
        v_status := p_values[b + 9];
        v_screen := p_values[b + 10];
        v_record := p_values[b + 11];
        v_api_version := p_values[b + 12];
        v_expires := wflows.us_time(p_values[b + 13]::bigint);
        if v_status = 'active' then
            v_expiry_slot := p_values[b + 13]::bigint / c_hour_us;
        else
            v_expiry_slot := null;
        end if;
        if v_status = 'completed' then
            v_completed := now();
        else
            v_completed := null;
        end if;
        if v_step = 1 then
            if octet_length(v_hash) <> 32 then
                raise exception 'a token hash has 32 bytes' using errcode = 'check_violation';
            end if;
            v_session := p_values[b + 2];
            v_account := p_values[b + 3];
            v_flow := p_values[b + 4];
            v_flow_name := p_values[b + 5];
            v_flow_version := p_values[b + 6];
            insert into wflows.flow_sessions (company_id, id, account_id, flow_id, flow_name,
                flow_version, token_hash, status, step, screen, record, data_api_version, expires_at,
                expiry_slot, completed_at)
            values (v_company, v_session, v_account, v_flow, v_flow_name, v_flow_version, v_hash,
                    v_status, 1, v_screen, v_record, v_api_version, v_expires, v_expiry_slot,
                    v_completed)
            on conflict (company_id, token_hash) do nothing;
        else
            update wflows.flow_sessions
            set status = v_status, step = v_step, screen = v_screen, record = v_record,
                data_api_version = v_api_version, last_step_at = now(), expires_at = v_expires,
                expiry_slot = v_expiry_slot, completed_at = v_completed
            where company_id is not distinct from v_company and token_hash = v_hash
              and step = v_step - 1 and status = 'active';
        end if;
        if not found then
            number := b / 15;
            stored := (select s.record from wflows.flow_sessions s
                       where s.company_id = v_company and s.token_hash = v_hash);
            return next;
        else
            if p_values[b + 14] is not null then
                insert into wflows.flow_responses (company_id, id, session_id, account_id, flow_id,
                                                   flow_name, source, response)
                values (v_company, gen_random_uuid(), p_values[b + 2]::uuid, p_values[b + 3]::uuid,
                        p_values[b + 4]::uuid, p_values[b + 5], 'endpoint', p_values[b + 14]::json);
            end if;
            if p_values[b + 15] is not null then
                perform wflows.media_add(v_company, p_values[b + 3]::uuid, p_values[b + 2]::uuid, null,
                                         null, p_values[b + 15]::json);
            end if;
        end if;
        b := b + 15;
    end loop;
    v_tenant := set_config('app.tenant_id', v_before, true);
end
$$;

create function wflows.session_load(p_company uuid, p_token_hash text) returns text
language plpgsql
as $$
declare
    v_before text := wflows.tenant_enter(p_company);
    v_record text;
begin
    v_record := (select s.record from wflows.flow_sessions s
                 where s.company_id = p_company and s.token_hash = decode(p_token_hash, 'hex'));
    v_before := set_config('app.tenant_id', v_before, true);
    return v_record;
end
$$;

-- The plan of an active flow; p_version 0 is the active version. No row where there is none.
create function wflows.flow_plan(p_company uuid, p_name text, p_version int)
returns table (flow_id uuid, version int, plan text)
language plpgsql
as $$
#variable_conflict use_column
declare
    v_before text := wflows.tenant_enter(p_company);
begin
    return query
        select v.flow_id, v.version, v.plan
        from wflows.flows f
        join wflows.flow_versions v on v.company_id = f.company_id and v.flow_id = f.id
             and v.version = case when p_version = 0 then f.active_version else p_version end
        where f.company_id = p_company and f.name = p_name and f.status = 'active'
          and f.deleted_at is null;
    v_before := set_config('app.tenant_id', v_before, true);
end
$$;

-- Keeps an error notification of a phone (WHATSAPP.md section 1). False: this one is known already.
create function wflows.flow_error_event(p_company uuid, p_account uuid, p_dedup text, p_payload json)
returns boolean
language plpgsql
as $$
declare
    v_before text := wflows.tenant_enter(p_company);
    v_new boolean;
begin
    insert into wflows.webhook_events (company_id, id, account_id, event_type, dedup_key, payload)
    values (p_company, gen_random_uuid(), p_account, 'flow_error_notification', p_dedup, p_payload)
    on conflict (company_id, dedup_key) do nothing;
    v_new := found;
    v_before := set_config('app.tenant_id', v_before, true);
    return v_new;
end
$$;

-- Who may call what. The look-ups become wflows_lookup's, whose rights they then run with; a new
-- owner of a function must be able to create in its schema for that moment.
revoke execute on all routines in schema wflows from public;
grant execute on function
    wflows.schema_version(), wflows.tenant_record(text, text),
    wflows.tenant_record_others(uuid, uuid), wflows.tenant_enter(uuid),
    wflows.tenant_switch(text, text),
    wflows.session_steps(text[]), wflows.session_load(uuid, text), wflows.flow_plan(uuid, text, int),
    wflows.flow_error_event(uuid, uuid, text, json)
    to wflows_app;
grant execute on function wflows.account_record(wflows.whatsapp_accounts),
    wflows.account_record_find(uuid, text) to wflows_lookup;
grant create on schema wflows to wflows_lookup;
alter function wflows.schema_version() owner to wflows_lookup;
alter function wflows.tenant_record(text, text) owner to wflows_lookup;
alter function wflows.tenant_record_others(uuid, uuid) owner to wflows_lookup;
revoke create on schema wflows from wflows_lookup;

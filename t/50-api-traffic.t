#!/usr/bin/perl
# What flows move, in the API: sessions, responses, their exports, webhook events, deliveries and sending them again,
# files, a company's own metrics; in pages, by filters, and for whose accounts.

use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/lib";

use Cpanel::JSON::XS ();
use File::Temp qw(tempdir);
use Test::More;
use Wflows::Api;
use Wflows::Flows qw(linear_flow);
use Wflows::Process qw(read_file wait_until write_file);
use Wflows::Receiver;
use Wflows::Seal qw(store_file);
use Wflows::Tenant;
use Wflows::Test qw(answers errlog_ok need start_stack);
use Wflows::Webhook;

need(qw(pg redis httpd));
my $json = Cpanel::JSON::XS->new->utf8->canonical;
my $dir = tempdir(CLEANUP => 1);
chmod 0755, $dir;
mkdir "$dir/media", 0700;
my $stack = start_stack(server_directives => "WflowsFlowCallbackAllow 127.0.0.1/32\nWflowsFlowMediaDir $dir/media\n");
my $receiver = Wflows::Receiver->start(dir => $stack->{dir});
my $dbh = $stack->dbh;
my $linear = linear_flow(['FIRST', 'SECOND']);
my $acme = Wflows::Tenant->add($stack, slug => 'acme', flows => { booking => [$linear], other => [$linear] },
    accounts => [{ name => 'main', options => ['--callback-url', $receiver->url('/ok'), '--callback-events', 'flow_completed'] }, { name => 'second' }]);
$stack->ctl('account', 'set', 'main', '--company', 'acme', { 'callback-secret' => 'whsec_' . 'c2VjcmV0LW9mLXRoaXMtdGVzdC1vbmU=' });
my $zeta = Wflows::Tenant->add($stack, slug => 'zeta', flows => { booking => [$linear] });
my $platform = Wflows::Api->new($stack);
my %as = map { $_ => $platform->as(role => $_, company => $acme->{id}) } qw(admin gestor operador leitura);
my $op = $as{operador};
my ($main, $second) = map { $acme->{accounts}{$_}{id} } qw(main second);
my $base = "/companies/$acme->{id}";
my %flow = map { $_->{name} => $_->{id} } @{ $op->get("$base/flows")->{json}{data} };
my $serial = 0;

sub status_is {
    my ($r, $status, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is($r->{status}, $status, $name) or diag($r->{body});
    return $r->{json};
}

sub refused_with {
    my ($r, $status, $code, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is("$r->{status} " . (($r->{json} // {})->{code} // ''), "$status $code", $name) or diag($r->{body});
}

sub invalid {
    my ($r, $pointers, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is("$r->{status} " . Wflows::Api::pointers($r), "422 $pointers", $name) or diag($r->{body});
}

sub make_key {
    my ($scopes, @accounts) = @_;
    my $made = $as{admin}->must('POST', "$base/api-keys", { name => "k@{[++$serial]}", scopes => $scopes, whatsapp_account_ids => \@accounts });
    return $platform->as_key($made->{key});
}

# All of a list, page by page of two: each row once, in one order.
sub walk {
    my ($api, $path, %query) = @_;
    my (@rows, $cursor);
    do {
        my $page = $api->must('GET', $path, undef, query => { limit => 2, %query, defined $cursor ? (cursor => $cursor) : () });
        push @rows, @{ $page->{data} };
        $cursor = $page->{next_cursor};
    } while (defined $cursor && @rows < 100);
    return @rows;
}

sub ids { return join ' ', map { $_->{id} } @_ }

# ---- sessions ----------------------------------------------------------------------------------------------

# Seven of one flow, two of them finished, one on the other account; one of another flow; one of another company.
sub begin {
    my ($tenant, $token, %o) = @_;
    my $client = $tenant->client(flow => $o{flow} // 'booking', token => $token, $o{account} ? (account => $o{account}) : ());
    answers($client->init, 'FIRST', "a session: $token");
    return unless $o{finish};
    answers($client->exchange('FIRST', { name => $o{finish}, age => '36' }), 'SECOND', 'on');
    answers($client->exchange('SECOND', { more => '+1' }), 'SUCCESS', 'to its end');
}
begin($acme, "tok-$_") for 1 .. 4;
begin($acme, 'tok-5', finish => '=HYPERLINK("x")');
begin($acme, 'tok-6', finish => "Ada, \"Łucja\"\nB");
begin($acme, 'tok-7', account => 'second');
begin($acme, 'tok-8', flow => 'other');
begin($zeta, 'tok-z', finish => 'Zoe');

my $sessions = "$base/flows/$flow{booking}/sessions";
my @stored = @{ $dbh->selectcol_arrayref('select id from wflows.flow_sessions where company_id = ? and flow_id = ? order by started_at desc', undef, $acme->{id}, $flow{booking}) };
is(ids(walk($op, $sessions)), join(' ', @stored), 'the sessions of a flow, the newest first, each once');
is(ids(walk($op, $sessions, sort => 'started_at')), join(' ', reverse @stored), 'or the oldest');
is(scalar walk($op, "$base/sessions"), 8, 'those of all flows');
is(ids(walk($op, "$base/sessions", sort => 'started_at')), ids(reverse walk($op, "$base/sessions")), 'in either order');
is(ids(walk($op, "$base/sessions", flow_id => $flow{booking})), join(' ', @stored), 'or of one');
is(scalar walk($op, $sessions, status => 'completed'), 2, 'by status');
is(scalar walk($op, $sessions, account_id => $second), 1, 'by account');
my @times = map { $_->{started_at} } reverse walk($op, $sessions);
is(scalar walk($op, $sessions, from => $times[2]), 5, 'from a time on, itself included');
is(scalar walk($op, $sessions, to => $times[2]), 2, 'before a time');
is(scalar walk($op, $sessions, from => $times[1], to => $times[3]), 2, 'between two');
is(scalar walk($op, $sessions, from => '2020-01-01', to => '1999-01-01'), 0, 'or none');
invalid($op->get("$sessions?status=done&from=now&account_id=1&limit=0&cursor=x&sort=name"), '?account_id ?cursor ?from ?limit ?sort ?status', 'what is wrong is named');
invalid($op->get("$sessions?flow_id=$flow{other}"), '?flow_id', 'the path says which flow');
refused_with($op->get("$base/flows/00000000-0000-7000-8000-000000000000/sessions"), 404, 'not_found', 'an unknown flow has none');
my $session = status_is($op->get("$base/sessions/$stored[1]"), 200, 'one session');
is_deeply([$session->{answers}{name}, $session->{screens}, $session->{status}, $session->{step}], ["Ada, \"Łucja\"\nB", ['FIRST', 'SECOND'], 'completed', 3], 'with its screens and answers');
is($session->{last_reply}{screen}, 'SUCCESS', 'and what was last shown');
ok(!exists $session->{token_hash} && !exists $session->{record}, 'without what names it');
refused_with($op->get("$base/sessions/$_"), 404, 'not_found', 'no other') for '00000000-0000-7000-8000-000000000000', 'x',
    $dbh->selectrow_array('select id from wflows.flow_sessions where company_id = ?', undef, $zeta->{id});

# ---- responses ----------------------------------------------------------------------------------------------

my $hook = Wflows::Webhook->new(tenant => $acme);
status_is($hook->post($hook->messages($hook->reply({ flow_token => 'of-nobody', name => 'Web' }, id => 'wamid.web'))), 200, 'answers without a session come by webhook');
my @responses = walk($op, "$base/responses");
is(join(' ', map { $_->{response}{name} =~ /(\w+)/ } @responses), 'Web Ada HYPERLINK', 'the answers of all flows');
is(scalar walk($op, "$base/flows/$flow{booking}/responses"), 2, 'of one');
is(ids(walk($op, "$base/responses", source => 'webhook')), $responses[0]{id}, 'by where they came from');
is(ids(walk($op, "$base/responses", sort => 'created_at', to => $responses[0]{created_at})), ids(reverse @responses[1, 2]), 'by time');
is_deeply(status_is($op->get("$base/responses/$responses[1]{id}"), 200, 'one'), $responses[1], 'is the same');
is($responses[1]{session_id}, $stored[1], 'and names its session');

# ---- exports ------------------------------------------------------------------------------------------------

my $export = "$base/flows/$flow{booking}/responses/export";
my $r = $op->get("$export?format=csv&sort=created_at");
status_is($r, 200, 'responses as CSV');
like($r->{headers}{'content-type'}, qr{^text/csv; charset=utf-8}, 'by its name');
is($r->{headers}{'content-disposition'}, 'attachment; filename="responses.csv"', 'to be saved');
my @lines = split /\r\n/, $r->{body};
is($lines[0], 'id,created_at,flow_id,flow_name,account_id,session_id,source,message_id,phone_number,response', 'has a head');
is(scalar @lines, 3, 'and a line for each');
$dbh->do(q{update wflows.flow_responses set phone_number = '=cmd|''/C calc''!A0' where id = ?}, undef, $responses[1]{id});
like($op->get("$export?format=csv")->{body}, qr/,'=cmd\|/, 'what a spreadsheet would run is made a text');
$r = $op->get($export, headers => { accept => 'application/x-ndjson' });
is_deeply([map { $json->decode($_)->{id} } split /\n/, $r->{body}], [map { $_->{id} } @responses[1, 2]], 'NDJSON, with all members');
$r = $op->get("$sessions/export?format=csv&status=completed");
is(scalar(my @rows = split /\r\n/, $r->{body}), 3, 'sessions too, by the same filters');
invalid($op->get("$export?format=xml"), '?format', 'in no other format');
invalid($op->get("$export?limit=5"), '?limit', 'always all of it');
my $exports = $dbh->selectall_arrayref(q{select actor, action, resource_type, resource_id, metadata from wflows.audit_logs
    where company_id = ? and action like '%.exported' order by seq}, { Slice => {} }, $acme->{id});
$_->{metadata} = $json->decode($_->{metadata}) for @$exports;
my %who = (actor => 'token:test-operador', resource_type => 'flow', resource_id => $flow{booking});
my %asked = (flow => $flow{booking}, sort => '-created_at');
is_deeply($exports, [
    { %who, action => 'responses.exported', metadata => { %asked, format => 'csv', sort => 'created_at' } },
    { %who, action => 'responses.exported', metadata => { %asked, format => 'csv' } },
    { %who, action => 'responses.exported', metadata => { %asked, format => 'ndjson' } },
    { %who, action => 'sessions.exported', metadata => { %asked, format => 'csv', sort => '-started_at', status => 'completed' } },
], 'each export is audited with what was asked for, and none that was refused') or diag(explain($exports));

# ---- webhook events ------------------------------------------------------------------------------------------

$hook->post($hook->messages($hook->text(body => "hello $_"))) for 1 .. 3;
my @events = walk($op, "$base/webhook-events");
is(scalar @events, 4, 'what WhatsApp told us');
is(ids(walk($op, "$base/webhook-events", sort => 'received_at')), ids(reverse @events), 'in either order');
is(scalar walk($op, "$base/webhook-events", event_type => 'message.text', status => 'processed', account_id => $main), 3, 'by type, status and account');
is(scalar walk($op, "$base/webhook-events", status => 'failed'), 0, 'or none');
ok(!exists $events[0]{payload}, 'the list has no payloads');
my $event = status_is($op->get("$base/webhook-events/$events[0]{id}"), 200, 'one event');
like($json->encode($event->{payload}), qr/hello 3/, 'has what was sent');

# ---- deliveries ----------------------------------------------------------------------------------------------

ok(wait_until(20, sub { !grep { $_->{status} ne 'done' } walk($op, "$base/deliveries") }), 'callbacks are delivered');
my @deliveries = walk($op, "$base/deliveries");
is(scalar @deliveries, 1, 'of what the account wants to be told');
my $delivery = status_is($op->get("$base/deliveries/$deliveries[0]{id}"), 200, 'one delivery');
is_deeply([$delivery->{status}, $delivery->{attempts}, $delivery->{history}[0]{status_code}, $delivery->{payload}{response_data}{name}, $delivery->{account}], ['done', 1, 200, 'Web', 'main'],
    'with its attempts and what was sent');
status_is($op->post("$base/deliveries/$delivery->{id}/replay"), 200, 'it is sent again');
ok($receiver->wait_for('/ok', 2), 'and arrives');
ok(wait_until(20, sub { @{ $op->get("$base/deliveries/$delivery->{id}")->{json}{history} } == 2 }), 'as another attempt');
refused_with($op->post("$base/deliveries/00000000-0000-7000-8000-000000000000/replay"), 404, 'not_found', 'what is not there is not sent');
my $insert = q{insert into wflows.outbox (company_id, id, consumer, account_id, event_type, payload, idempotency_key, status, done_at)
    values (?, wflows.uuid_v7(), 'callback', ?, ?, '{"a":1}', ?, 'dead', now())};
$dbh->do($insert, undef, $acme->{id}, $main, "test.$_", "dead-$_") for 1 .. 5;
$dbh->do($insert, undef, $acme->{id}, $second, 'test.1', 'dead-second');
is(scalar walk($op, "$base/deliveries", status => 'dead'), 6, 'dead letters');
is(scalar walk($op, "$base/deliveries", status => 'dead', account_id => $main, event_type => 'test.3', consumer => 'callback'), 1, 'by account, type and consumer');
is(ids(walk($op, "$base/deliveries", sort => 'created_at')), ids(reverse walk($op, "$base/deliveries")), 'in either order');
my $many = "$base/deliveries/replay";
refused_with($op->post($many, {}), 403, 'forbidden', 'an operador does not send many again');
invalid($as{gestor}->post($many, { consumer => 'cache', status => 'leased', event_type => 'A', account_id => 1, from => 'x', to => 7, dry_run => 'no', all => 1 }),
    '/account_id /all /consumer /dry_run /event_type /from /status /to', 'what is wrong is named');
my $done = status_is($as{gestor}->post($many, { event_type => 'test.*', account_id => $main, dry_run => Cpanel::JSON::XS::true }), 200, 'only looked at');
is_deeply([@{$done}{qw(matched replayed)}, scalar @{ $done->{first} }], [5, 0, 5], 'nothing is sent');
is(scalar walk($op, "$base/deliveries", status => 'dead'), 6, 'nor changed');
is(status_is($as{gestor}->post($many, { to => '2020-01-01' }), 200, 'of a time before')->{matched}, 0, 'there is nothing');
is(status_is($as{gestor}->post($many, { event_type => 'test.*', account_id => $main }), 200, 'those of an account')->{replayed}, 5, 'are sent again');
ok($receiver->wait_for('/ok', 7), 'and arrive');
is(scalar walk($op, "$base/deliveries", status => 'dead'), 1, "the other account's stay");
like($dbh->selectrow_array(q{select string_agg(metadata::text, ' ') from wflows.audit_logs where action = 'outbox.replayed'}), qr/"replayed":5/, 'and it is audited');

# ---- files --------------------------------------------------------------------------------------------------

my $picture = "\xff\xd8\xff" . join('', map { chr($_ % 256) } 1 .. 300_000);
my $file = store_file($stack, "$dir/media", $acme->{id}, $picture, account_id => $main, file_name => "Foto \"ü\".jpg", mime_type => 'image/jpeg', session_id => $stored[0]);
my $page = store_file($stack, "$dir/media", $acme->{id}, '<script>alert(1)</script>', account_id => $second, mime_type => 'text/html', media_id => '901');
my $empty = store_file($stack, "$dir/media", $acme->{id}, '', account_id => $main, media_id => '902');
my $foreign = store_file($stack, "$dir/media", $zeta->{id}, 'theirs', account_id => $zeta->{accounts}{main}{id});
if ($> == 0) { system('chown', '-R', 'www-data:', "$dir/media") == 0 or die "chown: $?" }
is(scalar walk($op, "$base/media"), 3, 'files');
is(ids(walk($op, "$base/media", session_id => $stored[0], status => 'stored')), $file, 'by session');
is(status_is($op->get("$base/media/$file"), 200, 'one file')->{size}, length $picture, 'and what is known of it');
$r = $op->get("$base/media/$file/content");
status_is($r, 200, 'its bytes');
ok($r->{body} eq $picture, 'are those that were sent');
is_deeply([@{ $r->{headers} }{qw(content-type x-content-type-options content-length)}], ['image/jpeg', 'nosniff', length $picture], 'by type and size, not to be guessed');
is($r->{headers}{'content-disposition'}, q{attachment; filename="Foto ____.jpg"; filename*=UTF-8''Foto%20%22%C3%BC%22.jpg}, 'to be saved under its name');
is($op->get("$base/media/$page/content")->{headers}{'content-type'}, 'application/octet-stream', 'what a browser would run is only bytes');
is($op->get("$base/media/$empty/content")->{body}, '', 'an empty file is one');
is($op->head("$base/media/$file/content")->{status}, 200, 'HEAD');
refused_with($op->get("$base/media/$foreign$_"), 404, 'not_found', "another company's file is not there") for '', '/content';
my $where = "$dir/media/$acme->{id}/$file";
my $bytes = read_file($where);
write_file($where, substr($bytes, 0, 1000) . ('x' x 10) . substr($bytes, 1010), 0600);
$r = $op->get("$base/media/$file/content");
isnt("$r->{status} " . length($r->{body}), '200 ' . length $picture, 'a file that was changed is not handed out');
unlink $where;
refused_with($op->get("$base/media/$file/content"), 404, 'not_found', 'one that has gone is not there');
cmp_ok($dbh->selectrow_array(q{select count(*) from wflows.audit_logs where action = 'media.read' and actor = 'token:test-operador'}), '>=', 4, 'each reading is audited');

# ---- metrics --------------------------------------------------------------------------------------------------

my $metrics = sub { my ($api, $slug) = @_; return $api->{http}->get($stack->httpd->url("/company/$slug/metrics"),
    { headers => { defined $api->{api_key} ? ('x-api-key' => $api->{api_key}) : defined $api->{token} ? (authorization => "Bearer $api->{token}") : () } }) };
my $watcher = make_key(['read:metrics']);
ok(wait_until(20, sub { $metrics->($as{leitura}, 'acme')->{content} =~ /^flow_exchange_total\{tenant="acme",flow="booking",action="INIT",result="ok"\} 7$/m }), "a company's metrics count its exchanges")
    or diag($metrics->($as{leitura}, 'acme')->{content});
my $text = $metrics->($watcher, 'acme')->{content};
like($text, qr/^flow_exchange_total\{tenant="acme",flow="booking",action="INIT",result="ok"\} 7$/m, 'a key for them sees the same');
like($text, qr/^event_total\{tenant="acme",event_type="message\.text"\} 3$/m, 'its events by type');
like($text, qr/^inbound_total\{tenant="acme",result="stored"\} 4$/m, 'its webhooks');
like($text, qr/^# TYPE $_ counter$/m, "$_ has a type") for qw(event_total inbound_total flow_exchange_total);
unlike($text, qr/zeta/, "and nobody else's");
is($metrics->($as{leitura}, 'acme')->{status}, 200, "its people may see them");
is($metrics->($platform->as_nobody, 'acme')->{status}, 401, 'nobody else');
is($metrics->(make_key(['read:flows']), 'acme')->{status}, 403, 'no key without read:metrics');
is($metrics->($watcher, 'zeta')->{status}, 404, "no other company's");
is($metrics->($watcher, 'nobody')->{status}, 404, 'as of one that is not there');

# ---- who may ---------------------------------------------------------------------------------------------------

for my $list (qw(sessions responses webhook-events deliveries media), "flows/$flow{booking}/sessions/export") {
    refused_with($as{leitura}->get("$base/$list"), 403, 'forbidden', "$list are not for every reader");
    refused_with($op->get("/companies/$zeta->{id}/$list"), 404, 'not_found', 'nor for another company');
}
my $key = make_key(['read:responses', 'read:events', 'write:events', 'read:flows'], $second);
my %seen = (sessions => 1, responses => 0, 'webhook-events' => 0, deliveries => 1, media => 1);
is(scalar walk($key, "$base/$_"), $seen{$_}, "a key of one account sees its $_") for sort keys %seen;
refused_with($key->get("$base/$_"), 404, 'not_found', "and not $_") for "sessions/$stored[1]", "responses/$responses[1]{id}", "webhook-events/$events[0]{id}", "deliveries/$delivery->{id}",
    "media/$file", "media/$file/content";
refused_with($key->post("$base/deliveries/$delivery->{id}/replay"), 404, 'not_found', 'nor sends them again');
refused_with($key->post($many, { $_ ? (account_id => $_) : () }), 403, 'key_of_accounts', 'nor many of ' . ($_ ? 'another account' : 'all')) for undef, $main;
is(status_is($key->post($many, { account_id => $second, dry_run => Cpanel::JSON::XS::true }), 200, 'only of its own')->{matched}, 1, 'those');
refused_with(make_key(['read:flows'])->get("$base/$_"), 403, 'forbidden', "a key without the scope sees no $_") for sort keys %seen;

errlog_ok($stack, ignore => [qr/WF0\d+: .*(?:vault|stored file|not as it was written|cannot open)/, qr/WF0\d+.*media/]);
done_testing();

#!/usr/bin/perl
# What ./run-demo does once the tree is built: servers, a company, a walk through its flow, a webhook and its callback.

use strict;
use warnings;

use Cpanel::JSON::XS ();
use Cwd qw(abs_path);
use Digest::SHA qw(hmac_sha256_hex sha256_hex);
use File::Copy qw(copy);
use File::Path qw(make_path);
use HTTP::Tiny;
use Time::HiRes qw(time);
use Wflows::DemoReceiver;
use Wflows::Process qw(as_user free_port read_file run wait_until write_file);
use Wflows::Stack;

my $src = $ENV{WF_SRCDIR} // die 'WF_SRCDIR is not set: start ./run-demo';
my $build = $ENV{WF_BUILDDIR} // "$src/build";
my $run = -e "$src/.run" ? abs_path("$src/.run") : "$src/.run";
my $json = Cpanel::JSON::XS->new->utf8->canonical;
my $pretty = Cpanel::JSON::XS->new->utf8->canonical->pretty->indent_length(2);

my ($slug, $flow, $phone_number_id, $waba_id) = ('demo', 'appointment', '700800900100', '102033044055066');

$| = 1;

# ---- saying what happens -----------------------------------------------------------------------------------

my $tty = -t STDOUT;

sub heading { print $tty ? "\n\e[1m$_[0]\e[0m\n" : "\n$_[0]\n" }

# Runs one step. A failure says what failed and how to mend it, and ends the demo.
sub step {
    my ($what, $mend, $code) = @_;
    printf '  %-58s', "$what …";
    my $result = eval { $code->() // '' };
    if (my $error = $@) {
        $error =~ s/ at \S+ line \d+\.?$//;
        print "FAILED\n\n$error\n\nHow to mend it: $mend\n";
        exit 1;
    }
    print ref $result || $result eq '' ? "done\n" : "$result\n";
    return $result;
}

# ---- where it lives -----------------------------------------------------------------------------------------

# Started by root, PostgreSQL and httpd's children run as other users, who may not be able to reach a clone
# in /root. Then .run is a link to a folder that they can.
sub make_run_folder {
    unlink $run if -l $run && !-e $run; # its folder in /var/tmp was cleaned away
    return if -e $run;
    make_path($run, { mode => 0755 });
    return if $> != 0 || !grep { !reachable_by($_) } 'postgres', 'www-data';
    rmdir $run or die "cannot replace $run: $!\n";
    my $elsewhere = '/var/tmp/wflows-demo-' . substr(sha256_hex($src), 0, 12);
    if (!mkdir($elsewhere, 0755)) {
        my @stat = lstat($elsewhere);
        die "$elsewhere is there and not a folder of root's\n" unless @stat && -d _ && !-l $elsewhere && $stat[4] == 0;
    }
    symlink($elsewhere, $run) or die "cannot link $run: $!\n";
    print "  $src cannot be reached by PostgreSQL's user: .run is a link to $elsewhere\n";
    $run = $elsewhere;
}

sub reachable_by {
    my ($user) = @_;
    return 1 unless defined getpwnam($user);
    return run(command => [as_user($user), 'test', '-x', $run])->{rc} == 0;
}

# ---- the servers ---------------------------------------------------------------------------------------------

sub load_ports { return -e "$run/ports.json" ? $json->decode(read_file("$run/ports.json")) : {} }

sub make_stack {
    my $ports = load_ports();
    my $main = <<'CONF';
LogFormat "{\"time\":\"%{%Y-%m-%dT%H:%M:%S}t.%{msec_frac}t\",\"remote\":\"%a\",\"request\":\"%m %U\",\"status\":%>s,\"bytes\":%B,\"us\":%D,\"request_id\":\"%{WFLOWS_REQUEST_ID}e\",\"company\":\"%{WFLOWS_COMPANY}e\",\"company_id\":\"%{WFLOWS_COMPANY_ID}e\",\"account_id\":\"%{WFLOWS_ACCOUNT_ID}e\"}" wflows
CustomLog access.log wflows

WflowsTenant On
# mod_status turns it on by being loaded: two times(2) for each request.
ExtendedStatus Off
<Location "/metrics">
    Require local
</Location>
# Of the management API; people look for it here.
RedirectMatch "^/docs/?$" "/api/v2/docs"
<Location "/server-status">
    SetHandler server-status
    Require local
</Location>
CONF
    # Two children share the memory of a small machine; threads mostly wait for the commit of their group.
    my %mpm = (StartServers => 2, ServerLimit => 4, ThreadsPerChild => 32, MinSpareThreads => 32, MaxSpareThreads => 128,
        MaxRequestWorkers => 128);
    return Wflows::Stack->new(
        dir => $run, keep => 1, build => $build, modules_dir => "$run/modules",
        port => $ports->{http}, pg_port => $ports->{pg}, redis_port => $ports->{redis},
        # Receivers of callbacks are on this machine.
        server_directives => "WflowsFlowCallbackAllow 127.0.0.1/32\n",
        httpd => { main => $main, mpm => \%mpm },
    );
}

sub make_receiver {
    my ($stack) = @_;
    return Wflows::DemoReceiver->new(dir => $run, src => $src, stack => $stack, port => load_ports()->{receiver});
}

# The running httpd has its own copy of the modules, so that a rebuild does not change them under it.
sub copy_modules {
    make_path("$run/modules");
    my $changed = 0;
    for my $so (glob("$build/.libs/mod_wflows_*.so")) {
        my ($name) = $so =~ m{([^/]+)$};
        my $to = "$run/modules/$name";
        next if -e $to && sha256_hex(read_file($so)) eq sha256_hex(read_file($to));
        copy($so, "$to.new") && rename("$to.new", $to) or die "cannot copy $name: $!\n";
        $changed = 1;
    }
    die "there is no mod_wflows_tenant.so in $build/.libs\n" unless -e "$run/modules/mod_wflows_tenant.so";
    return $changed;
}

sub choose_ports {
    my ($stack, $receiver) = @_;
    my $ports = load_ports();
    my $wanted = $ENV{PORT} // $ports->{http};
    if ($stack->httpd->is_up && $wanted != $ports->{http}) {
        $stack->httpd->stop;
    }
    if (!$stack->httpd->is_up) {
        my $free = defined $wanted ? eval { free_port($wanted) } : free_port(8080, 8081, 8888);
        die "port $wanted of 127.0.0.1 is in use\n" if defined $ENV{PORT} && (!$free || $free != $wanted);
        $ports->{http} = $free;
    }
    $ports->{pg} = free_port($ports->{pg} // 5433) unless $stack->pg->is_up;
    $ports->{redis} = free_port($ports->{redis} // 6380) unless $stack->redis->is_up;
    $ports->{receiver} = free_port($ports->{receiver} // 8090) unless $receiver->is_up;
    write_file("$run/ports.json", $json->encode($ports));
    @$stack{qw(port pg_port redis_port)} = @$ports{qw(http pg redis)};
    $stack->httpd->{port} = $ports->{http};
    $stack->pg->{port} = $ports->{pg};
    $stack->redis->{port} = $ports->{redis};
    $receiver->{port} = $ports->{receiver};
}

sub start_servers {
    my ($stack, $receiver, $modules_changed) = @_;
    step('ports', 'choose another with PORT=… ./run-demo', sub { choose_ports($stack, $receiver); $stack->httpd->{port} });
    step('PostgreSQL', "read $run/pg/postgres.log; a full disk or too little shared memory is the usual reason",
        sub { $stack->pg->start; "127.0.0.1:$stack->{pg}{port}" });
    step('Redis', "read $run/redis/redis.log", sub { $stack->redis->start; "127.0.0.1:$stack->{redis}{port}" });
    step('database, roles, configuration', "remove $run to begin anew (its data is lost)",
        sub { $stack->create_database->write_conf });
    step('wflowsctl migrate', "if the schema of this tree was edited since: ./run-demo stop, remove $run (its data is lost), ./run-demo", sub {
        my $report = $stack->ctl('migrate');
        "schema version $report->{schema_version}, $report->{applied} applied";
    });
    step('httpd (event MPM)', "read $run/httpd/error.log", sub {
        if ($stack->httpd->is_up && $modules_changed) { $stack->httpd->stop }
        $stack->httpd->start;
        $stack->httpd->url;
    });
    step('receiver of callbacks (demo/receiver.pl)', "read $receiver->{log}", sub { $receiver->start; "127.0.0.1:$receiver->{port}" });
}

# ---- a company, a number, a key, a flow -----------------------------------------------------------------------

# The record, made by `make` where it is not there yet.
sub ensure {
    my ($stack, $find, $make) = @_;
    my $found = $stack->ctl_raw([@$find, '--json']);
    return $json->decode($found->{out}) if $found->{rc} == 0;
    die "wflowsctl @$find: exit $found->{rc}\n$found->{err}\n" unless $found->{rc} == 4;
    $stack->ctl(@$make);
    return $stack->ctl(@$find);
}

# The account's callbacks go to the receiver, whose port may be another one than last time.
sub aim_callbacks {
    my ($stack, $receiver) = @_;
    step('callbacks of finished flows go to the receiver', "see $run/pg/postgres.log, or remove $run to begin anew", sub {
        my $is = $stack->ctl('account', 'show', 'main', '--company', $slug);
        my @which = ('account', 'set', 'main', '--company', $slug);
        $stack->ctl(@which, { 'callback-secret' => $receiver->secret }) unless $is->{has_callback_secret};
        $stack->ctl(@which, '--callback-url', $receiver->url) if ($is->{callback_webhook_url} // '') ne $receiver->url;
        $receiver->url;
    });
}

sub make_tenant {
    my ($stack) = @_;
    my %is;
    my $mend = "see $run/pg/postgres.log, or remove $run to begin anew";
    my $public = "$run/account-public.pem";

    step("company '$slug' (plan enterprise)", $mend, sub {
        $is{company} = ensure($stack, ['company', 'show', $slug],
            ['company', 'add', $slug, '--name', 'Demo Ltd', '--plan', 'enterprise']);
        $is{company}{id};
    });
    step("account 'main', rate limits lifted", $mend, sub {
        $is{account} = ensure($stack, ['account', 'show', 'main', '--company', $slug],
            ['account', 'add', '--company', $slug, '--name', 'main', '--phone-number-id', $phone_number_id,
                '--waba-id', $waba_id, '--rate-limit', 'off',
                { 'app-secret' => $stack->secret('app-secret', 16), 'verify-token' => $stack->secret('verify-token', 16) }]);
        $is{account}{id};
    });
    step('RSA key pair', $mend, sub {
        $stack->ctl('key', 'new', '--company', $slug, '--account', 'main') unless $is{account}{has_private_key};
        my $shown = $stack->ctl_raw(['key', 'show', '--company', $slug, '--account', 'main']);
        die "wflowsctl key show: $shown->{err}\n" unless $shown->{out} =~ /BEGIN PUBLIC KEY/;
        write_file($public, $shown->{out});
        ".run/account-public.pem";
    });
    step("flow '$flow' with its logic", "wflowsctl flow check demo/appointment.json --logic demo/appointment.logic.json", sub {
        my @files = map { "$src/demo/$_" } 'appointment.json', 'appointment.logic.json';
        my $digest = sha256_hex(join("\0", map { read_file($_) } @files));
        my $add = sub { $stack->ctl('flow', 'add', $flow, '--company', $slug, '--flow-json', $files[0], '--logic', $files[1]) };
        my $mark = "$run/flow.sha256";
        $is{flow} = ensure($stack, ['flow', 'show', $flow, '--company', $slug],
            ['flow', 'add', $flow, '--company', $slug, '--flow-json', $files[0], '--logic', $files[1]]);
        $add->() if -e $mark && read_file($mark) ne $digest;
        write_file($mark, $digest);
        $is{flow}{id};
    });
    step('an API key and a token of the platform', "wflowsctl api-key revoke demo --company $slug --yes, then ./run-demo", sub {
        $is{api_key} = api_key($stack);
        $is{platform_token} = $stack->ctl('token', 'new', '--role', 'platform_admin', '--subject', 'demo', '--ttl', '30d')->{token};
        'in .run/demo.json';
    });
    return \%is;
}

# Shown once by the server, so it is kept: in .run/secrets, as all that is secret here.
sub api_key {
    my ($stack) = @_;
    my $file = "$run/secrets/demo-api-key";
    my $keys = $stack->ctl('api-key', 'list', '--company', $slug)->{data};
    my ($there) = grep { $_->{name} eq 'demo' && $_->{status} eq 'active' } @$keys;

    if ($there && -e $file && read_file($file) =~ /\Awfk_\Q$there->{key_prefix}\E_/) {
        return read_file($file) =~ s/\s+\z//r;
    }
    $stack->ctl('api-key', 'revoke', $there->{id}, '--company', $slug, '--yes') if $there;
    my $key = $stack->ctl('api-key', 'new', '--company', $slug, '--name', 'demo', '--scope', 'all', '--rate', 1_000_000)->{key};
    write_file($file, "$key\n", 0600);
    return $key;
}

sub write_demo_json {
    my ($stack, $receiver, $is) = @_;
    write_file("$run/demo.json", $pretty->encode({
        base_url => $stack->httpd->url,
        platform_token => $is->{platform_token}, api_key => $is->{api_key}, callback_log => $receiver->{callback_log},
        company => { id => $is->{company}{id}, slug => $slug },
        account => {
            id => $is->{account}{id}, phone_number_id => $phone_number_id, waba_id => $waba_id,
            public_key_file => "$run/account-public.pem", app_secret => $stack->secret('app-secret'),
            verify_token => $stack->secret('verify-token'),
        },
        flow => { id => $is->{flow}{id}, name => $flow },
        postgres_url => $stack->pg->url('wflows_owner', $stack->secret('pg-wflows_owner'), 'wflows'),
        redis_url => $stack->redis->url,
        httpd_conf => $stack->httpd->{conf}, error_log => $stack->httpd->{error_log},
        pid_file => $stack->httpd->{pid_file},
    }), 0600);
}

# ---- the walk ---------------------------------------------------------------------------------------------------

# One encrypted exchange, as the phone and Meta's relay would do it. `want`: what the answer must have.
sub exchange {
    my ($stack, $title, $words, $want) = @_;
    my @send = ('send', '--company', $slug, '--flow', $flow, '--base-url', $stack->httpd->url, @$words);

    print "\n  $title\n    wflowsctl ", join(' ', map { /[^\w\/:.,=-]/ ? "'$_'" : $_ } @send), "\n";
    my $sent = $stack->ctl_raw([@send, '--json']);
    my $r = $sent->{out} =~ /\S/ ? $json->decode($sent->{out}) : undef;
    if ($sent->{rc} != 0 || !$r || !$want->($r->{reply})) {
        print $sent->{out}, $sent->{err}, "\n\nFAILED: this is not the expected answer.\n\n",
            "How to mend it: read $run/httpd/error.log", $r && $r->{request_id} ? " (request $r->{request_id})" : '', ".\n";
        exit 1;
    }
    printf "    %d in %.1f ms, decrypted:\n", $r->{status}, $r->{took_us} / 1000;
    print "      ", $json->encode($r->{reply}), "\n";
    return $r->{reply};
}

# Returns the answers of the finished flow.
sub walk {
    my ($stack) = @_;
    my $token = 'demo-' . unpack('H*', join('', map { chr(rand(256)) } 1 .. 12));
    my $screen = sub { my ($name) = @_; return sub { ($_[0]{screen} // '') eq $name } };
    my @token = ('--token', $token);

    exchange($stack, 'ping: Meta looks whether the endpoint lives', ['ping'], sub { $_[0]{data}{status} eq 'active' });
    exchange($stack, 'INIT: a user opens the flow', ['INIT', @token], $screen->('CHOOSE_SERVICE'));
    exchange($stack, 'data_exchange: a service and a day are chosen',
        ['data_exchange', '--screen', 'CHOOSE_SERVICE', '--data', '{"service":"haircut","day":"2030-05-17"}', @token],
        $screen->('CHOOSE_TIME'));
    exchange($stack, 'BACK: the user changes their mind', ['BACK', '--screen', 'CHOOSE_TIME', @token], $screen->('CHOOSE_SERVICE'));
    exchange($stack, 'data_exchange: another service; a rule of the logic offers other times',
        ['data_exchange', '--screen', 'CHOOSE_SERVICE', '--data', '{"service":"home_visit","day":"2030-05-18"}', @token],
        sub { $_[0]{screen} eq 'CHOOSE_TIME' && $_[0]{data}{times}[0]{id} eq '1800' });
    exchange($stack, 'data_exchange: too young, so a rule keeps them on the screen',
        ['data_exchange', '--screen', 'CHOOSE_TIME', '--data', '{"time":"1800","name":"Ada","age":"17"}', @token],
        sub { $_[0]{screen} eq 'CHOOSE_TIME' && $_[0]{data}{error_message} =~ /18/ });
    exchange($stack, 'data_exchange: the summary',
        ['data_exchange', '--screen', 'CHOOSE_TIME', '--data', '{"time":"1930","name":"Ada","age":"36"}', @token],
        $screen->('CONFIRM'));
    my $success = exchange($stack, 'data_exchange on the last screen: SUCCESS',
        ['data_exchange', '--screen', 'CONFIRM', '--data', '{"reminder":true}', @token],
        sub { $_[0]{screen} eq 'SUCCESS' && $_[0]{data}{extension_message_response}{params}{flow_token} eq $token });
    return $success->{data}{extension_message_response}{params};
}

# ---- a webhook comes in, a callback goes out -----------------------------------------------------------------------

# What WhatsApp posts when the user has finished: the answers are a JSON text inside the JSON.
sub nfm_reply {
    my ($answers, $message_id) = @_;
    my $text = Cpanel::JSON::XS->new->canonical; # characters: they are encoded with the rest
    return { object => 'whatsapp_business_account', entry => [{ id => $waba_id, changes => [{ field => 'messages', value => {
        messaging_product => 'whatsapp',
        metadata => { display_phone_number => '3225550100', phone_number_id => $phone_number_id },
        contacts => [{ profile => { name => "Zo\x{eb}" }, wa_id => '32470000001' }],
        messages => [{
            from => '32470000001', id => $message_id, timestamp => sprintf('%d', time), type => 'interactive',
            context => { from => '3225550100', id => 'wamid.DEMO-FLOW' },
            interactive => { type => 'nfm_reply', nfm_reply => { name => 'flow', body => 'Sent', response_json => $text->encode($answers) } },
        }],
    } }] }] };
}

# As Meta writes JSON, and signs it: beyond ASCII \u00e9, / as \/, and < % @ escaped too. They stand only in strings.
sub meta_bytes {
    my ($what) = @_;
    my $body = Cpanel::JSON::XS->new->ascii->canonical->encode($what);
    $body =~ s{/}{\\/}g;
    $body =~ s{([<%@])}{sprintf('\\u%04X', ord $1)}ge;
    return $body;
}

# The callback of this message in the receiver's log, or undef.
sub callback_of {
    my ($receiver, $message_id) = @_;
    return undef unless -e $receiver->{callback_log};
    my ($line) = grep { index($_, qq("$message_id")) >= 0 } split(/\n/, read_file($receiver->{callback_log}));
    return defined $line ? $json->decode($line) : undef;
}

sub webhook_to_callback {
    my ($stack, $receiver, $answers) = @_;
    my $message_id = 'wamid.DEMO-' . substr($answers->{flow_token}, length 'demo-');
    my $body = meta_bytes(nfm_reply($answers, $message_id));
    my $signature = 'sha256=' . hmac_sha256_hex($body, $stack->secret('app-secret'));
    my $url = $stack->httpd->url("/company/$slug/webhooks/whatsapp");

    print "\n  nfm_reply: WhatsApp tells that the user has finished\n    POST $url\n    X-Hub-Signature-256: $signature\n      $body\n";
    my $begin = time;
    my $r = HTTP::Tiny->new(timeout => 10)->post($url,
        { headers => { 'content-type' => 'application/json', 'x-hub-signature-256' => $signature }, content => $body });
    if ($r->{status} != 200) {
        print "    $r->{status} $r->{content}\n\nFAILED: this is not the expected answer.\n\nHow to mend it: read $run/httpd/error.log.\n";
        exit 1;
    }
    printf "    200 in %.1f ms: it is stored\n", (time - $begin) * 1000;

    print "\n  callback: the company's own system is told\n";
    my $callback;
    if (!wait_until(20, sub { $callback = callback_of($receiver, $message_id) })) {
        print "\nFAILED: no callback within 20 s.\n\nHow to mend it: read $run/httpd/error.log and $receiver->{log}.\n";
        exit 1;
    }
    printf "    %s at %s %.0f ms after the webhook was sent, its signature is right; .run/callbacks.ndjson has it\n", $callback->{webhook_id},
        $receiver->url, ($callback->{received_at} - $begin) * 1000;
    print "      ", $json->encode($callback->{body}), "\n";
}

# ---- the words of ./run-demo ---------------------------------------------------------------------------------------

sub say_where {
    my ($stack) = @_;
    print <<"TEXT";

wflows is running: @{[ $stack->httpd->url ]}
  health           @{[ $stack->httpd->url('/health') ]}
  callbacks        .run/callbacks.ndjson
  everything else  .run/demo.json
  wflowsctl        WFLOWSCTL_CONFIG=$run/ctl.conf $stack->{ctl} help
  stop, start      ./run-demo stop · ./run-demo start
TEXT
}

my %word = (
    run => sub {
        heading('1. Servers');
        make_run_folder();
        my $stack = make_stack();
        my $receiver = make_receiver($stack);
        my $changed = step('modules', 'run support/build and read what it says', sub { copy_modules() ? 'copied' : 'unchanged' }) eq 'copied';
        start_servers($stack, $receiver, $changed);
        heading('2. A company');
        my $is = make_tenant($stack);
        aim_callbacks($stack, $receiver);
        write_demo_json($stack, $receiver, $is);
        heading('3. One encrypted flow');
        my $answers = walk($stack);
        heading('4. One webhook in, one callback out');
        webhook_to_callback($stack, $receiver, $answers);
        say_where($stack);
    },
    start => sub {
        die "There is no demo to start: run ./run-demo first.\n" unless -e "$run/demo.json";
        my $stack = make_stack();
        my $receiver = make_receiver($stack);
        start_servers($stack, $receiver, 0);
        aim_callbacks($stack, $receiver);
        my $was = $json->decode(read_file("$run/demo.json"));
        write_demo_json($stack, $receiver, $was);
        say_where($stack);
    },
    stop => sub {
        return print "There is no demo.\n" unless -e "$run/ports.json";
        my $stack = make_stack();
        step('httpd', 'kill it by the pid in .run/httpd/httpd.pid', sub { $stack->httpd->stop ? 'stopped' : die "still there\n" });
        step('receiver', 'kill it by the pid in .run/receiver.pid', sub { make_receiver($stack)->stop ? 'stopped' : die "still there\n" });
        step('Redis', 'kill it by the pid in .run/redis/redis.pid', sub { $stack->redis->stop ? 'stopped' : die "still there\n" });
        step('PostgreSQL', 'kill it by the pid in .run/pg/data/postmaster.pid', sub { $stack->pg->stop ? 'stopped' : die "still there\n" });
    },
    status => sub {
        return print "There is no demo.\n" unless -e "$run/ports.json";
        my $stack = make_stack();
        for my $part (['httpd', $stack->httpd], ['Redis', $stack->redis], ['PostgreSQL', $stack->pg], ['receiver', make_receiver($stack)]) {
            printf "  %-12s %s\n", $part->[0], $part->[1]->is_up ? "runs on 127.0.0.1:$part->[1]{port}, pid " . $part->[1]->pid : 'is stopped';
        }
    },
);
($word{ $ARGV[0] // 'run' } // die "demo.pl: run, start, stop or status\n")->();

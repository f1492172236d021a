autoload -U +X bashcompinit && bashcompinit
# Made by "weft completion bash".
_weft_words() {
    case $1 in
    vsctl|ovs-vsctl)
        options='--db= --no-wait --retry -t --timeout= --dry-run --print-grpc --oneline -h --help -V --version -f --format= -d --data= --no-headings --pretty --bare --max-column-width= -v --verbose= --verbose --log-file --syslog-method= --syslog-target= -p --private-key= -c --certificate= -C --ca-cert= --bootstrap-ca-cert= --peer-ca-cert= --ssl-protocols= --ssl-ciphers= --may-exist --if-exists --real --fake --fake-iface --with-iface --inactivity-probe= --bootstrap --columns= --id= --all --json --confirm= --limit= --show= --comment='
        commands='init show emer-reset add-br del-br list-br br-exists br-to-vlan br-to-parent br-set-external-id br-get-external-id list-ports add-port add-bond add-bond-iface del-bond-iface del-port port-to-br list-ifaces iface-to-br add-zone-tp del-zone-tp list-zone-tp list-dp-cap get-controller del-controller set-controller get-fail-mode del-fail-mode set-fail-mode get-manager del-manager set-manager get-ssl del-ssl set-ssl add-aa-mapping del-aa-mapping get-aa-mapping list find get set add remove clear create destroy wait-until comment plan apply confirm rollback history revert'
        case $2 in
        add-br) kinds=(- bridge -) ;;
        del-br) kinds=(bridge) ;;
        br-exists) kinds=(bridge) ;;
        br-to-vlan) kinds=(bridge) ;;
        br-to-parent) kinds=(bridge) ;;
        br-set-external-id) kinds=(bridge - -) ;;
        br-get-external-id) kinds=(bridge -) ;;
        list-ports) kinds=(bridge) ;;
        add-port) kinds=(bridge - -) ;;
        add-bond) kinds=(bridge port - -) ;;
        add-bond-iface) kinds=(port -) ;;
        del-bond-iface) kinds=(port -) ;;
        del-port) kinds=(bridge port) ;;
        port-to-br) kinds=(port) ;;
        list-ifaces) kinds=(bridge) ;;
        get-controller) kinds=(bridge) ;;
        del-controller) kinds=(bridge) ;;
        set-controller) kinds=(bridge -) ;;
        get-fail-mode) kinds=(bridge) ;;
        del-fail-mode) kinds=(bridge) ;;
        set-fail-mode) kinds=(bridge -) ;;
        add-aa-mapping) kinds=(bridge - -) ;;
        del-aa-mapping) kinds=(bridge - -) ;;
        get-aa-mapping) kinds=(bridge) ;;
        list) kinds=(table -) ;;
        find) kinds=(table -) ;;
        get) kinds=(table - -) ;;
        set) kinds=(table - -) ;;
        add) kinds=(table - - -) ;;
        remove) kinds=(table - - -) ;;
        clear) kinds=(table - -) ;;
        create) kinds=(table -) ;;
        destroy) kinds=(table -) ;;
        wait-until) kinds=(table - -) ;;
        esac ;;
    ofctl|ovs-ofctl)
        options='-O --protocols= -F --flow-format= --strict --may-create --bundle --readd --names --no-names --no-stats --sort --rsort --format= -m --more --timestamp -P --packet-in-format= --read-only -t --timeout= --color --unixctl= --detach --pidfile --no-chdir -h --help -V --version -v --verbose= --verbose --log-file --syslog-method= --syslog-target= -p --private-key= -c --certificate= -C --ca-cert= --bootstrap-ca-cert= --peer-ca-cert= --ssl-protocols= --ssl-ciphers='
        commands='show dump-desc dump-tables dump-table-features dump-table-desc mod-table dump-ports dump-ports-desc mod-port get-frags set-frags dump-flows dump-aggregate queue-stats queue-get-config add-flow add-flows mod-flows del-flows replace-flows diff-flows lint bundle packet-out monitor snoop probe ping benchmark add-group add-groups mod-group del-groups insert-buckets remove-buckets dump-groups dump-group-stats dump-group-features add-meter mod-meter del-meter del-meters dump-meter dump-meters meter-stats meter-features dump-ipfix-bridge dump-ipfix-flow ct-flush-zone ct-flush add-tlv-map del-tlv-map dump-tlv-map ofp-parse ofp-parse-pcap parse-flow parse-flows parse-actions parse-instructions parse-nx-match parse-nxm parse-oxm parse-ofp10-match parse-ofp11-match parse-pcap check-vlan parse-group parse-key-value compose-packet parse-packet ofp-print encode-hello print-error encode-error-reply help list-commands'
        case $2 in
        show) kinds=(bridge) ;;
        dump-desc) kinds=(bridge) ;;
        dump-tables) kinds=(bridge) ;;
        dump-table-features) kinds=(bridge) ;;
        dump-table-desc) kinds=(bridge) ;;
        mod-table) kinds=(bridge table -) ;;
        dump-ports) kinds=(bridge port) ;;
        dump-ports-desc) kinds=(bridge port) ;;
        mod-port) kinds=(bridge port -) ;;
        get-frags) kinds=(bridge) ;;
        set-frags) kinds=(bridge -) ;;
        dump-flows) kinds=(bridge -) ;;
        dump-aggregate) kinds=(bridge -) ;;
        queue-stats) kinds=(bridge port -) ;;
        queue-get-config) kinds=(bridge port -) ;;
        add-flow) kinds=(bridge -) ;;
        add-flows) kinds=(bridge -) ;;
        mod-flows) kinds=(bridge -) ;;
        del-flows) kinds=(bridge -) ;;
        replace-flows) kinds=(bridge -) ;;
        bundle) kinds=(bridge -) ;;
        packet-out) kinds=(bridge - - -) ;;
        monitor) kinds=(bridge - - -) ;;
        snoop) kinds=(bridge) ;;
        add-group) kinds=(bridge -) ;;
        add-groups) kinds=(bridge -) ;;
        mod-group) kinds=(bridge -) ;;
        del-groups) kinds=(bridge -) ;;
        insert-buckets) kinds=(bridge -) ;;
        remove-buckets) kinds=(bridge -) ;;
        dump-groups) kinds=(bridge -) ;;
        dump-group-stats) kinds=(bridge -) ;;
        dump-group-features) kinds=(bridge) ;;
        add-meter) kinds=(bridge -) ;;
        mod-meter) kinds=(bridge -) ;;
        del-meter) kinds=(bridge -) ;;
        del-meters) kinds=(bridge) ;;
        dump-meter) kinds=(bridge -) ;;
        dump-meters) kinds=(bridge) ;;
        meter-stats) kinds=(bridge -) ;;
        meter-features) kinds=(bridge) ;;
        dump-ipfix-bridge) kinds=(bridge) ;;
        dump-ipfix-flow) kinds=(bridge) ;;
        ct-flush-zone) kinds=(bridge -) ;;
        ct-flush) kinds=(bridge - - -) ;;
        add-tlv-map) kinds=(bridge -) ;;
        del-tlv-map) kinds=(bridge -) ;;
        dump-tlv-map) kinds=(bridge) ;;
        ofp-parse-pcap) kinds=(- port) ;;
        esac ;;
    appctl|ovs-appctl)
        options='-t --target= -T --timeout= -h --help -V --version -v --verbose= --verbose --log-file --syslog-method= --syslog-target='
        commands='list-commands version vlog/list vlog/list-pattern vlog/set vlog/reopen vlog/close'
        case $2 in
        esac ;;
    dpctl|ovs-dpctl)
        options='-m --more -s --statistics --names --no-names --clear --may-create --target= -t --timeout= -h --help -V --version -v --verbose= --verbose --log-file --syslog-method= --syslog-target='
        commands='show dump-dps dump-flows get-flow add-flow mod-flow del-flow del-flows add-flows mod-flows del-if parse-actions normalize-actions list-commands'
        case $2 in
        del-if) kinds=(- port) ;;
        esac ;;
    dbclient|ovsdb-client)
        options='-f --format= -d --data= --no-headings --pretty --bare --max-column-width= --timestamp --detach --pidfile --overwrite-pidfile --no-chdir --unixctl= -v --verbose= --verbose --log-file --syslog-method= --syslog-target= -p --private-key= -c --certificate= -C --ca-cert= --bootstrap-ca-cert= --peer-ca-cert= --ssl-protocols= --ssl-ciphers= -t --timeout= -h --help -V --version --force'
        commands='list-dbs get-schema get-schema-version get-schema-cksum list-tables list-columns transact query dump monitor monitor-cond monitor-cond-since wait backup restore convert needs-conversion lock steal unlock'
        case $2 in
        list-columns) kinds=(- - table) ;;
        dump) kinds=(- - table -) ;;
        monitor) kinds=(- - table -) ;;
        monitor-cond) kinds=(- - - table -) ;;
        monitor-cond-since) kinds=(- - - - table -) ;;
        esac ;;
    dbtool|ovsdb-tool)
        options='-v --verbose= --verbose --log-file --syslog-method= --syslog-target= -m --more -h --help -V --version'
        commands='create compact convert needs-conversion db-name db-version db-cksum schema-name schema-version schema-cksum compare-versions query transact show-log db-is-standalone db-is-clustered create-cluster join-cluster cluster-to-standalone check-cluster db-cid db-sid db-local-address list-commands help'
        case $2 in
        esac ;;
    esac
}
_weft() {
    local word=${COMP_WORDS[COMP_CWORD]} tool=${COMP_WORDS[0]##*/} options='' commands='' command='' at=0 i kinds=()
    COMPREPLY=()
    # What stands behind `--` is a command of its own.
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        --) command='' at=0 ;;
        -* | =) ;;
        *) if [ -z "$command" ]; then command=${COMP_WORDS[i]}; else at=$((at + 1)); fi ;;
        esac
    done
    _weft_words "$tool" "$command"
    local choice=$commands
    if [ "${word#-}" != "$word" ]; then
        choice=$options
    elif [ -n "$command" ]; then
        case ${kinds[at]} in
        bridge) choice=$(vsctl --timeout=1 list-br 2>/dev/null) ;;
        port) choice=$(vsctl --timeout=1 --bare --columns=name list Port 2>/dev/null) ;;
        table) choice=$(dbclient -t 1 --no-headings list-tables 2>/dev/null) ;;
        *) compopt -o default 2>/dev/null; return ;;
        esac
    fi
    COMPREPLY=($(compgen -W "$choice" -- "$word"))
    # An option that waits for its value goes on, any other word is over.
    for i in "${!COMPREPLY[@]}"; do
        [ "${COMPREPLY[i]%=}" = "${COMPREPLY[i]}" ] && COMPREPLY[i]+=' '
    done
}
complete -o nospace -F _weft vsctl ovs-vsctl
complete -o nospace -F _weft ofctl ovs-ofctl
complete -o nospace -F _weft appctl ovs-appctl
complete -o nospace -F _weft dpctl ovs-dpctl
complete -o nospace -F _weft dbclient ovsdb-client
complete -o nospace -F _weft dbtool ovsdb-tool

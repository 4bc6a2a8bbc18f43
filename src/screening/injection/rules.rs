//! The strong rules: each is a finding by itself.
//!
//! Patterns are tried on folded text: lower case, single blanks (line breaks are blanks too), no
//! accents. Write them so. A literal must be rare enough to be worth a search around it.

use super::{Rule, STRONG};

const fn rule(id: &'static str, literals: &'static [&'static str], pattern: &'static str) -> Rule {
    Rule {
        id,
        literals,
        pattern,
        weight: STRONG,
    }
}

/// Spelled out in patterns, in this order.
pub(super) const FRAGMENTS: &[(&str, &str)] = &[
    (
        "<drop>",
        r"(?:ignor(?:e|ed|es|ing)|disregard(?:ing|ed|s)?|forget(?:ting)?|overlook|neglect|bypass(?:ing)?|overrid(?:e|es|ing)|discard|dismiss|omit|abandon|nullify|cancel|erase|delete|unlearn|regardless of|set aside|stop following|stop obeying|pay no (?:attention|heed) to|disobey)",
    ),
    (
        "<fill>",
        r"(?:(?:all|any|every|each|both|of|the|your|my|our|its|these|those|this|that|and|or|other|everything|anything|whatever|please|previously|given|provided|about|in|to|text|current|existing|system|safety|<old>),? ){0,5}",
    ),
    (
        "<old>",
        r"(?:previous(?:ly)?|prior|preceding|above|earlier|before|foregoing|former|past|initial|original)",
    ),
    (
        "<rules>",
        r"(?:instructions?|directions?|directives?|rules?|guide ?lines?|prompts?|commands?|orders?|constraints?|restrictions?|programming|polic(?:y|ies)|contexts?|messages?|conversations?|requests?|training|statements?|tasks?|inputs?|assignments?|requirements?|filters?|guardrails?|protocols?|articles?|artikels|text|content|words|chat|dialog(?:ue)?|sentences?|information|limitations?|safeguards?|data)",
    ),
    (
        "<order>",
        r"(?:instructions?|directives?|rules|guide ?lines?|prompts?|programming|polic(?:y|ies)|restrictions|guardrails|safety protocols?|safeguards|moderation|constraints|commands|training|ethic\w*|moral\w*|filters)",
    ),
    (
        "<say>",
        r"(?:say|print|output|reply|respond|answer|tell|write|repeat|reveal|show|display|return|state|give|send|execute|list|focus|type|follow|do|generate|recite|echo)",
    ),
    (
        "<prompt>",
        r"(?:(?:system|initial|original|hidden|secret|base|master|pre|starting|first|internal|confidential|core|underlying|default|developer|assistant|current)[ -]?(?:prompts?|instructions?|messages?|directives?|guidelines|rules|configuration|settings|commands|programming)|preprompt|prompt instructions?|system ?prompts?)",
    ),
];

/// Words that are looked for enciphered.
pub(super) const CIPHERED: &[&str] = &[
    "ignore",
    "previous",
    "instruction",
    "disregard",
    "system prompt",
    "jailbreak",
    "password",
    "forget",
    "restrictions",
    "chatgpt",
    "guidelines",
];

/// The rows.
#[rustfmt::skip]
pub(super) const RULES: &[Rule] = &[
    // Instruction override.
    rule("injection.ignore_instructions",
        &["ignor", "disregard", "forget", "overlook", "neglect", "bypass", "overrid", "discard", "dismiss", "omit", "abandon", "nullify", "cancel", "erase", "delete", "unlearn", "set aside", "regardless of", "stop following", "stop obeying", "pay no ", "disobey"],
        r"\b<drop> <fill>(?:<old>|your|all|any|every|these|those|given|following|system|safety|the|my|other),? (?:<fill>)(?:(?:<old>|provided|given) (?:and \w+ )?<rules>|<order>)\b"),
    rule("injection.ignore_instructions",
        &["ignor", "disregard", "forget", "overlook", "bypass"],
        r"\b(?:ignor(?:e|ing)|disregard(?:ing)?|forget|overlook) (?:please )?(?:all |any |every |everything |anything |whatever |of |the |what |that |text |i |you |we |was |were |been |said |written |stated ){0,5}(?:the above|above|everything before|all before|before (?:that|this|and)|previous(?:ly)? (?:and|said|stated)|prior (?:and|to this))\b"),
    rule("injection.ignore_instructions",
        &["forget", "ignor", "disregard", "unlearn"],
        r"\b(?:forget|ignore|disregard|unlearn) (?:about )?(?:everything|all(?: of)?(?: that| the things| this)?|anything|what|whatever)(?: that)? (?:(?:you|i|we|was|they|your creators?|openai)(?:'ve| have| were| had)?(?: been| ever| just| previously)? (?:know|knew|said|told|learn\w*|taught|instruct\w*|discuss\w*|wrote|written|asked|been|mentioned|trained|programmed|received|talk\w*|covered|chatted)|before|above|from before|prior|previously|so far|up to now|until now)"),
    rule("injection.ignore_instructions",
        &["ignor", "disregard", "forget"],
        r"\b(?:ignore|disregard|forget) (?:the |this |all |any |every |about ){0,3}(?:user|webpage|web page|website|document|article|table|code|function|email|resume|question|image|context|all|everything|instructions?|prompt|rest|text|negative \w+|task|input)(?: [^ .!?]+){0,4}?,? (?:and|then|but)(?: please)? (?:just |only |simply |instead |always |also ){0,2}<say>\b"),
    rule("injection.ignore_instructions",
        &["ignor", "disregard", "forget"],
        r"(?:^|[.!?:>\]*#/\x22'-] ?)(?:please |now |so |and |then |instead |important[:!] ){0,2}(?:ignore|disregard|forget) (?:all |any |the |your |these |those |previous |prior |my |every ){0,3}(?:instructions?|prompts?|directives?|guidelines|commands)\b"),
    rule("injection.ignore_instructions",
        &["instructions are", "instruction is", "instructions have", "instructions no longer", "rules no longer", "rules are now", "restrictions have", "restrictions are", "limitations have been"],
        r"\b(?:previous|prior|above|earlier|initial|original|first|old|system|your|all|any|these|those|the) (?:<old> )?(?:instructions?|rules|restrictions|limitations) (?:are|is|have been|were|no longer) (?:now )?(?:\w+ )?(?:false|void|invalid|obsolete|cancell?ed|overridden|not required|lifted|removed|disabled|deprecated|revoked|suspended|apply|appl(?:y|ies)|superseded|outdated|wrong|lies|a lie)"),
    rule("injection.new_instructions",
        &["new instruction", "new task", "new directive", "new prompt", "new rule", "updated instruction", "real instruction", "actual instruction", "real task", "different task", "important instruction", "special instruction"],
        r"(?:(?:\*|#|=|!|\[|<|-|\b(?:your|here are (?:your|the)|follow (?:these|the|this|my)|these are (?:your|the)|my|with) )(?:important |real |updated |only )?(?:new|updated|real|actual|important) (?:system )?(?:instructions?|task|directives?|prompt|rules?)(?: (?:is|are)|:|\*|\]|>)|\bnow (?:we will |you will |you must )?perform a (?:new|different) task)"),
    rule("injection.new_instructions",
        &["instructions are now", "change your instructions", "instructions follow", "instructions: ignore", "tasks are follow", "tasks follow", "information behind", "instructions behind", "new tasks", "additional instruction", "supplement rule"],
        r"(?:\b(?:your|the) instructions are now to\b|\bchange your instructions to\b|\b(?:new|further|different) (?:instructions|tasks)(?: now)? (?:follow|are follow)|\bleave (?:all |the |any ){0,3}(?:<old> )?(?:information|instructions) behind|\bnow come (?:some )?new tasks|\badditional instruction -|\bsupplement rule:)"),
    rule("injection.new_instructions",
        &["instead of translat", "instead of summar", "not translate", "n't translate", "stop translating", "not summar", "n't summar", "not evaluate", "n't evaluate", "not answer th", "n't answer th"],
        r"(?:\binstead of (?:translating|summari[sz]ing)|\b(?:do not|don't|stop|never) (?:translat\w+|summari[sz]\w+|evaluat\w+|answer) (?:the|this|that|any\w*|it|these|but|,|and)\b[^.]{0,60}\b(?:instead|but|and|just|simply) (?:just |simply |only |instead )?(?:print|output|say|write|respond|reply|answer|tell|repeat|return|execute|state|report))"),
    rule("injection.new_instructions",
        &["interaction-config", "interaction config", "blocked strings", "blocked modes", "blocked responses"], ""),
    rule("injection.new_instructions",
        &["stop everything", "stop processing", "instead print", "instead say", "instead respond", "instead output", "just print", "just output", "jsut output", "just say", "just write", "only say", "only output", "just respond", "just answer", "just reply", "instead reply", "only print", "instead answer", "instead, "],
        r"(?:\bstop everything\b|\bstop processing (?:commands|the|this|your|any)|\b(?:just|jsut|instead,?|only) (?:please )?(?:print|say|output|write|respond with|reply with|answer with|respond|tell me|repeat) (?:exactly |only |the (?:text|words?|phrase|sentence) |that |this )?(?:\x22|'|“|‘|`|you (?:hate|love)))"),
    rule("injection.new_instructions",
        &["the above", "above text", "above instructions", "previous text"],
        r"\b(?:instead of|rather than|not) (?:doing |following |answering )?(?:the above|the previous|above|the given) ?(?:task|instructions?|question|text)?,? (?:please )?(?:just |only )?(?:<say>|translate)\b"),
    // Getting at the system prompt.
    rule("injection.reveal_prompt",
        &["prompt", "instruction", "guideline", "directive", "configuration", "system message", "programming", "system rules", "initial message", "initial setting", "system setting", "system command"],
        r"\b(?:reveal|show|print|output|display|repeat|tell|give|share|disclose|expose|leak|dump|write|provide|recite|return|echo|type|send|copy|spell|translate|summari[sz]e|encode|list|describe|explain|state|paste|reproduce|quote|say|access|see|view|know|extract|fetch|start|begin|log|convert|rephrase|paraphrase|include|append|opposite of)\b[^.?!;]{0,60}?\b(?:your|the|its|this|my|these|all|of|full|complete|entire|exact) (?:\w+ ){0,3}?(?:<prompt>|(?:prompt|instructions|guidelines) (?:verbatim|above|you (?:were|are|have|received|got)|word for word|given to you|exactly)|instructions? (?:provided|given) to (?:you|the assistant))"),
    rule("injection.reveal_prompt",
        &["your instruction", "your prompt", "your guideline", "your rules", "your directive", "your configuration", "your programming", "your system", "your initial", "your commands", "your complete", "your full", "your exact", "your entire", "your hidden", "your secret", "your original", "your internal", "your first", "your previous"],
        r"\b(?:what (?:is|are|was|were|do|does|did)|what's|whats|where (?:is|are)|how (?:do|can) (?:i|we) (?:see|change|modify|access|view)|reveal|show|print|output|display|repeat|tell|give|share|disclose|leak|write|recite|return|echo|list|explain|copy|read|summari[sz]e|translate|describe|encode|provide|dump|opposite of|know|recall)\b[^.?!;]{0,50}?\byour (?:own |very |current |full |complete |exact |entire |hidden |secret |system |initial |original |internal |first |previous |base |list of |set of |above |actual |underlying |core ){0,3}(?:instructions?|prompts?|guidelines|rules|directives?|configuration|programming|commands|system message|constraints|restrictions)\b"),
    rule("injection.reveal_prompt",
        &["you were given", "you been given", "given to you", "you were told", "you been told", "you were instructed", "you got", "you received", "you are given", "you have been instructed"],
        r"\b(?:what|which|repeat|show|print|tell|explain|list|output|reveal|write|recite|change|the)\b[^.?!;]{0,40}\b(?:instructions?|prompts?|rules|guidelines|commands|directives?|orders|messages?|text|context)\b[^.?!;]{0,20}\b(?:you (?:were|are|have been|had been|got|received|follow)(?: just)? ?(?:given|told|instructed|provided|sent|following|initially)?|given to you|at the (?:beginning|start|top))"),
    rule("injection.reveal_prompt",
        &["above", "before this", "before that", "text before", "beginning of this", "start of this", "so far", "first instruction", "last instruction", "previous message", "words before", "prior to this"],
        r"\b(?:repeat|print|output|copy|recite|return|echo|write out|say|display|show|summari[sz]e|translate|spell(?:check)?|encode|type out)\b(?: me| back| out| to me| all| of| everything| exactly| verbatim| the| exact| entire| full| complete| every| words?| texts?| sentences?| lines?| contents?| messages?| instructions?| prompt| conversation| document| what(?: is|'s)?(?: written)?| was| that| comes| came| is| of| in| you| said| written){0,9} (?:above|before (?:this|that|the)|so far|at the (?:beginning|start|top) of (?:this|our|the) (?:conversation|chat|prompt|document|session)|prior to this|first instruction|last instruction)"),
    rule("injection.reveal_prompt",
        &["written above", "written at the beginning", "what is above", "written before this"],
        r"\bwhat (?:was|is|were|did i) (?:\w+ )?(?:written|said|stated) (?:above|at the (?:beginning|start|top) of|before this)"),
    rule("injection.reveal_prompt",
        &["what were you told", "what were you instructed", "what was your prompt", "my instructions are", "system prompt is", "prompt is:", "systemprompt", "print(system_prompt", "original input", "start with \"you are", "starting with \"you are", "start with 'you are", "begins with \"you are", "initialization prompt", "prompt leak"],
        r"(?:what were you (?:told|instructed)|what was your prompt|my instructions are|the system prompt is|(?:console\.log|print|echo)\(? ?system_?prompt|systemprompt\)|print (?:the )?original input|start(?:s|ing)? with [\x22']you are|begins with [\x22']you are|initialization prompt|prompt leak)"),
    rule("injection.reveal_secret",
        &["password", "passphrase", "secret key", "secret word", "access code", "secret code", "credentials"],
        r"\b(?:(?:tell|give|share|provide|reveal|show|say|spell|need|want|know|what is|what's|whats|guess|disclose|confirm|hint|send|write)\b[^.?!]{0,30}\byour (?:\w+ )?(?:password|passphrase|secret (?:key|word|code)|access code|credentials)|(?:confirm|provide|share|disclose|reveal) (?:the|our) (?:\w+ )?(?:password|passphrase|passcode)(?: (?:for|to) (?:our|the|your) system|[.?!]|$)|what(?: is|'s) our (?:\w+ )?(?:password|passphrase)|\bpoem about the password|(?:tell|give|share with|reveal to) (?:me|us) (?:the|that|what the|about the) (?:secret |system |admin |hidden |current )?(?:password|passphrase|secret (?:key|word|code)|access code|credentials)|(?:what is|what's|reveal|say|spell(?: out)?|write|encode|disclose|translate|rot13|reverse) the (?:secret |hidden |admin |system )?(?:password|passphrase|secret (?:key|word|code))(?: (?:in|backwards|as|with|for (?:our|the|your) system)|\?|[.!]?$))"),
    // Jailbreaks known by name or by their own words.
    rule("injection.jailbreak",
        &["do anything now", "developer mode", "dan mode", "jailbreak mode", "jailbroken", "god mode", "maintenance mode", "sudo mode", "debug mode", "unrestricted mode", "opposite mode", "stay a dan", "anti-dan", "chaosgpt", "evil confidant", "always intelligent and machiavellian", "be acting as dan", "jailbreak prompt", "admin mode", "root mode", "diagnostic mode", "test mode", "benchmarking mode", "uwu mode"],
        r"(?:\bdo anything now\b|\b(?:dan|jailbreak(?:ed)?|opposite|uwu|evil|chaos|unrestricted|unfiltered|god|sudo) mode\b|\bjailbroken\b|\b(?:enter|enable|enabled|activate|activated|switch(?:ed)? (?:to|into)|in|into|with|engage|initiate|your) (?:a |an |the |new )?(?:special |chatgpt |full )?(?:developer|maintenance|debug|admin|root|diagnostic|benchmarking|test|sudo|god) mode (?:enabled|activated|on|output|now|and|where|with|in)|\bdeveloper mode (?:enabled|output|v\d)|\bstay a dan\b|\banti-dan\b|\bchaosgpt\b|\bevil confidant\b|\balways intelligent and machiavellian\b|\bjailbreak prompt:)"),
    rule("injection.jailbreak",
        &["unrestricted", "unfiltered", "uncensored", "amoral", "unethical", "immoral", "jailbroken", "unbound", "unhinged", "unaligned", "unchained", "lawless", "evil ai", "evil chat", "evil assistant", "evil bot", "as dan", "be dan", "are dan", "called dan", "now dan", "are stan", "as stan", "devilgpt", "no limits", "malicious ai", "malicious assistant", "malicious chat"],
        r"\b(?:you are(?: now)?|you're(?: now)?|act(?:ing)? (?:as|like)|pretend(?:ing)? (?:to be|you are)|play(?:ing)? the role of|behave as|respond as|become|called) (?:an? |the |now |completely |totally |fully |my |going to be ){0,3}(?:\w+,? ){0,2}?(?:unrestricted|unfiltered|uncensored|amoral|unethical|immoral|jailbroken|unbound|unhinged|unaligned|unchained|lawless|evil (?:ai|chatbot|assistant|bot)|dan\b|stan\b|devilgpt|no limits|malicious (?:ai|assistant|chatbot))"),
    rule("injection.jailbreak",
        &["freed from", "free from", "free of", "without any", "no ethical", "no moral", "no restrictions", "no limitations", "no rules", "broken free", "not bound", "not have to abide", "not have to follow", "not restricted", "without restrictions", "without limitations", "without censorship", "no longer bound", "do not abide", "does not abide", "not adhere", "doesn't have any", "no filters", "no guidelines", "not limited by", "no content policy", "unconstrained", "devoid of", "bypass your", "bypass the", "bypass openai"],
        r"(?:\b(?:freed?|broken free) (?:from|of) (?:the |all |any |its |their |your )?(?:\w+ )?(?:confines|constraints|restrictions|limitations|shackles|rules|censorship|filters|chains|bounds)(?: of (?:ai|openai|society|the))?|\b(?:without|no|not (?:bound|restricted|limited|constrained) by|not (?:have to )?(?:abide by|adhere to|follow|comply with)|do(?:es)? not abide by|no longer bound by|doesn't have|devoid of) (?:any |the |your |all |its |their |of ){0,2}(?:kind of )?(?:ethic\w+|moral\w*|safety|openai\S*|content|legal|ai|programming|ethical or moral|moral or ethical|ethical,|censorship)(?: (?:or|and|nor) \w+)? (?:programming |content |usage |use )?(?:guide ?lines?|principles?|restrictions?|limitations?|filters?|rules|boundar\w+|polic\w+|constraints?|concerns?|standards|qualms|compass|censorship|codes?)|\bbypass (?:your|the|openai\S*|all|any) (?:\w+ )?(?:restrictions|filters?|safety|guidelines|content policy|censorship|moderation|limitations))"),
    rule("injection.jailbreak",
        &["never refuse", "cannot refuse", "can't refuse", "not refuse", "never say no", "must comply", "never reject", "not reject", "cannot say no", "never break character", "stay in character", "always comply", "never decline", "tokens", "any and all requests", "answer any question", "fulfill any", "no matter how"],
        r"(?:\b(?:you|will|must|should|it|he|she|they|and|to) (?:can ?not|can't|never|must (?:never|not)|should (?:never|not)|will (?:never|not)|do(?:es)? not|not|always)(?: ever)? (?:refuse|reject|decline)(?:s|d|ing)? (?:to (?:answer|respond|comply|do)|any|a|my|the|direct|an?y? (?:user|human|request|order|question|prompt)|requests?|anything|orders?|questions?|commands?)|\byou (?:have|start with|will lose|lose|get) \d+ tokens\b|\b(?:answer|fulfil+|respond to|comply with|obey) (?:any|every|all)(?: and all)?(?: of)?(?: my| the)? (?:\w+ )?(?:requests?|questions?|prompts?|commands?|orders?)[^.]{0,40}\b(?:no matter|regardless|without (?:question|hesitation|refus\w+|restriction\w*|any))|\b(?:regardless of|no matter how) (?:\w+ ){0,3}(?:unethical|illegal|immoral|harmful|dangerous|offensive))"),
    rule("injection.jailbreak",
        &["hypothetical response", "from the perspective of that character", "dead grandmother", "deceased grandmother", "deceased grandma", "late grandmother", "[classic]", "[jailbreak]", "(classic)", "[🔓", "[dev mode]", "[normal]", "grandma", "grandmother", "predict the next token", "auto_regressive", "niccolo machiavelli", "nsfw_tips", "two different paragraphs", "simulate devmode"],
        r"(?:hypothetical response: ?[\x22“]?(?:the way|yo)|from the perspective of that character|\b(?:dead|deceased|late|dearly departed) grand(?:mother|ma|dad|father|pa)\b[^.]{0,60}\b(?:who|used to|would|she|he)|\b(?:act|pretend|be|behave|speak|roleplay)\b[^.]{0,24}\bmy (?:\w+ )?(?:grandma|grandmother|granny)\b|\[(?:classic|jailbreak|🔓[^\]]{0,20}|dev mode|normal)\]|\(classic\)|auto_regressive_mod|niccolo machiavelli|predict the next token)"),
    // Chat-template tokens and fake roles.
    rule("injection.chat_template",
        &["<|im_start|>", "<|im_end|>", "<|system|>", "<|user|>", "<|assistant|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>", "<|begin_of_text|>", "<|endofprompt|>", "<<sys>>", "[/inst]", "<start_of_turn>", "<|channel|>", "<|message|>", "[system_prompt]", "<|end_of_turn|>"],
        r"(?:<\|im_start\|> ?(?:system|user|assistant|developer|tool)|<\|im_end\|> ?(?:<\|im_start|\w)|<\|(?:system|user|assistant)\|> ?\w|<\|start_header_id\|> ?(?:system|user|assistant)|<\|eot_id\|> ?\w|<\|(?:begin_of_text|endofprompt)\|> ?\w|<<sys>>|\[/inst\] ?\w|<start_of_turn> ?(?:user|model)|<\|(?:channel|message)\|> ?\w|\[system_prompt\]|<\|end_of_turn\|> ?\w)"),
    rule("injection.fake_role",
        &["system:", "system]", "system>", "### system", "system message", "system override", "system note", "admin override", "administrator override", "override:", "system alert", "system update", "system command", "developer:", "assistant:"],
        r"(?:(?:^|[\[<#*=\x22'()>.!?-] ?)(?:system|developer|admin(?:istrator)?|root)(?: (?:message|prompt|override|note|alert|update|command|instructions?|notice))?(?: ?[\]>)*#]+)?:? ?(?:\[[^\]]{0,20}\])?[: ]+(?:\w+ ){0,2}?(?:you (?:are|must|will|should|have)|ignore|disregard|forget|override|new|from now|display|reveal|the (?:user|assistant|previous|above)|all (?:safety|previous|prior|restrictions)|do not|important|safety)|\b(?:system|admin(?:istrator)?|developer|security|emergency|root) override\b(?: ?:| code| accepted| authori[sz]ed| engaged| mode)|(?:\[system\] ?){2,}|\[system\] ?(?:\w|-)+ (?:metadata|\(|note))"),
    rule("injection.hidden_instruction",
        &["invisible to human", "visible to llm", "hidden from human", "not visible to", "ai assistant", "ai model", "language model", "llms", "ai agent", "automated screening", "chatgpt:", "hidden instruction", "attention ai", "note to ai", "hidden prompt"],
        r"(?:\b(?:invisible|not visible|hidden) (?:to|from) (?:the )?(?:humans?|users?|readers?|people)|\bvisible (?:only )?to (?:the )?(?:llms?|ai)|(?:\b(?:attention|note|message|instructions?|important|notice|hint|hey|dear)(?:,|:| to| for| -)* ?(?:all |any |the |other )?(?:llms?|ais?|ai (?:assistants?|models?|systems?|agents?|chatbots?)|large language models?|language models?|chatgpt|gpt-?\d?|bots?|automated (?:screening )?systems?)\b ?(?::|,|!|-|reading|processing|parsing|summari|reviewing|who|that|if you))|\bif you are (?:an? )?(?:llm|ai|large language model|language model|chatbot|ai (?:assistant|agent|model))(?: \w+){0,4},|\bhidden (?:instruction|prompt)s? ?:)"),
    // Getting data out.
    rule("injection.exfiltration",
        &["](http", "]: http", "src=\"http", "src='http", "](//", "]: ht"],
        r"(?:!?\[[^\]]{0,80}\](?:\(|: ?)https?://[^ )]{1,200}(?:\[[a-z_ -]{2,60}\]|\{\{?[a-z_ .-]{2,60}\}|=<[a-z_ -]{2,60}>|%7b|\$\{|=(?:summary|data|secret|conversation|history|password|info|key|token)\b)|<img[^>]{0,80}src=[\x22']https?://[^\x22' >]{1,200}(?:\[[a-z_ -]{2,60}\]|\{\{?[a-z_ .-]{2,60}\}|\$\{))"),
    rule("injection.exfiltration",
        &["conversation", "chat history", "chat log", "system prompt", "credential", "password", "api key", "secret", "env variable", "environment variable", "private data", "private key", "private info", "user data", "user's ", "user info", "user email", ".env", "ssh key", " emails", "last message", "all messages"],
        r"\b(?:send|forward|exfiltrate|upload|post|append|transmit|leak|email)(?:ing)? (?:\w+ ){0,5}?(?:conversation|chat (?:history|log)|system prompt|credentials|passwords?|api keys?|secrets?|env(?:ironment)? variables|private (?:data|key|information)|user(?:'s)? (?:data|information|emails?)|\.env|ssh keys?|(?:last|previous|all) (?:\w+ )?(?:emails|messages))(?: [^ .]+){0,4}? (?:to|at|via) (?:https?://|the (?:url|server|address|endpoint|attacker)|attacker|this (?:url|address|server|email)|[\w.+-]+@[\w-]+\.|[\w-]+\.(?:com|net|org|io))"),
    rule("injection.exfiltration",
        &["replace [", "whereas [", "where [", "escape spaces", "replace {"],
        r"(?:\breplace (?:\[|\{)[a-z_ ]{2,20}(?:\]|\})(?: in \w+(?: \w+)?)? with (?:[^.]{0,80})(?:escape|encod|print|no code)|\bwhere(?:as)? (?:\[|\{)[a-z_ ]{2,20}(?:\]|\}) is (?:an? |the )?(?:[^.]{0,40})(?:encoded|summary|conversation|message)|\bescape spaces with)"),
    // Tool poisoning.
    rule("injection.tool_poisoning",
        &["not tell", "n't tell", "never tell", "not mention", "n't mention", "never mention", "not inform", "never inform", "without telling", "without mention", "without inform", "without alert", "without notif", "not notify", "not alert", "not reveal", "not disclose", "never reveal", "never disclose", "not let", "n't let", "not warn", "<important>", "before using", "before calling", "before invoking", "before executing"],
        r"(?:\b(?:do not|don't|never|must not|should not|without) (?:ever )?(?:tell(?:ing)?|mention(?:ing)?|inform(?:ing)?|notify(?:ing)?|alert(?:ing)?|reveal(?:ing)?|disclos(?:e|ing)|warn(?:ing)?|let(?:ting)?) (?:\w+ ){0,3}?(?:to )?(?:the |this to the |any of this to the )user\b|<important>[^<]{0,200}\b(?:before (?:using|calling|you)|read|tool|file|must|user)|\bbefore (?:using|calling|invoking|executing) (?:this|any other|the|any) tool[^.]{0,80}\b(?:read|send|pass|include|access|fetch|cat|call)\b)"),
    rule("injection.code_execution",
        &["__globals__", "__subclasses__", "os.popen", "__mro__", "__import__("],
        r"(?:\.__subclasses__\(\)|__globals__ ?\[|\bos\.popen\([^)]{0,120}\)\.read|__import__\([\x22']os[\x22']\)\.(?:system|popen))"),
    rule("injection.code_execution",
        &["in your output", "in your response", "in your answer", "in your reply"],
        r"(?:<script|javascript:|onerror ?=|<img |</script>)[^~]{0,160}\bin your (?:output|response|answer|reply)\b"),
    // Space-free spellings, for text whose letters were written apart.
    rule("injection.ignore_instructions",
        &["ignorepreviousinstruction", "ignoreallpreviousinstruction", "ignorethepreviousinstruction", "ignoretheabove", "ignoreallinstruction", "ignoreanyprevious", "disregardprevious", "disregardallprevious", "disregardanyprevious", "disregardtheabove", "forgeteverything", "forgetallprevious", "ignoreallprior", "revealyoursystemprompt", "doanythingnow", "ignoreyourinstructions", "ignoreyourprevious"], ""),
];

//! The override and the extraction in languages other than English.
//!
//! Literals and patterns are folded as texts are, so they are written with their accents and in
//! their own script. Borders of words are blanks here: ASCII word borders mean nothing in most
//! scripts.

use super::{Rule, STRONG};

const fn ignore(literals: &'static [&'static str], pattern: &'static str) -> Rule {
    Rule {
        id: "injection.ignore_instructions",
        literals,
        pattern,
        weight: STRONG,
    }
}

const fn reveal(literals: &'static [&'static str], pattern: &'static str) -> Rule {
    Rule {
        id: "injection.reveal_prompt",
        literals,
        pattern,
        weight: STRONG,
    }
}

/// The rows.
#[rustfmt::skip]
pub(super) const RULES: &[Rule] = &[
    // German
    ignore(&["ignorier", "vergiss", "vergessen sie", "missacht"], r"(?:ignorier[^ ]*|vergiss|vergessen sie|missacht[^ ]*)(?: [^ ]+){0,4}? (?:[^ ]*anweisung[^ ]*|instruktion[^ ]*|alles|alle (?:vorherigen|bisherigen|obigen)|das obige|die obigen|obige[^ ]*|vorherige[^ ]*|bisherige[^ ]*|vorangegangene[^ ]*|regeln|befehle|angaben|aufgaben|aufträge|vorgaben|prompts?)"),
    ignore(&["abweichend", "höre nicht auf", "hören sie nicht auf", "hör nicht auf", "aus dem kopf", "neue aufgabe", "bisherigen "], r"(?:abweichend (?:von|zu) (?:den |allen )?(?:vorherigen|bisherigen|obigen|vorigen|früheren)|hör(?:e|en sie)? nicht (?:mehr )?auf (?:alles|das|die|deine|ihre)(?: [^ ]+){0,2}? (?:zuvor|vorher|bisher|gesagte|anweisungen|instruktionen)|(?:aufgaben|anweisungen|instruktionen)(?: [^ ]+){0,3}? aus dem kopf|konzentrier[^.]{0,40} auf (?:deine|die|ihre|eine) neue[^ ]* aufgabe|bisherigen (?:informationen|anweisungen|aufgaben|instruktionen|regeln)[^.]{0,40} (?:irrelevant|ungültig|egal|hinfällig|vergessen|verwerfen|aufgehoben))"),
    ignore(&["ignorieren"], r"(?:obige[^ ]*|vorherige[^ ]*|bisherige[^ ]*|anweisungen|ausführungen|alles)(?: [^ ]+){0,4} ignorieren"),
    ignore(&["folgen", "hinter sich", "neuen aufgabe"], r"(?:folgen (?:jetzt |nun )?(?:neue|weitere) (?:anweisungen|aufgaben)|lassen sie alle vorherigen|beginnen mit einer neuen aufgabe)"),
    reveal(&["anweisungen", "system-prompt", "systemprompt", "prompt"], r"(?:zeig|nenn|sag|gib|wiederhol|verrat|wie laut|druck|schreib)[^ ]*(?: [^ ]+){0,6}? (?:ursprünglichen? anweisung[^ ]*|system-?prompt[^ ]*|ursprünglichen? prompts?|deine anweisungen|ihre (?:ursprünglichen )?anweisungen)"),
    Rule {
        id: "injection.reveal_secret",
        literals: &["passwort", "mot de passe", "contraseña", "senha", "parola d'ordine", "пароль", "密码", "密碼", "パスワード", "비밀번호", "wachtwoord", "hasło", "पासवर्ड"],
        pattern: r"(?:(?:was ist|wie lautet|verrate|nenne|sag)[^.?]{0,20} passwort|(?:quel est|donne|dis|révèle|partage)[^.?]{0,20} mot de passe|(?:cuál es|dime|revela|comparte|dame)[^.?]{0,20} contraseña|(?:qual é|diga|revele|me dê)[^.?]{0,20} senha|(?:какой|скажи|назови|раскрой)[^.?]{0,20} пароль|(?:告诉|说出|透露|告訴|什么|提供)[^。？]{0,12}(?:密码|密碼)|(?:密码|密碼)是什么|パスワード(?:を|は)[^。]{0,30}(?:教え|何|必要|提供)|비밀번호[^.]{0,20}(?:알려|뭐|무엇|필요|제공)|(?:wat is|geef)[^.?]{0,16} wachtwoord|(?:jakie jest|podaj)[^.?]{0,16} hasło|पासवर्ड[^।]{0,16}(?:क्या|बताए|बताओ))",
        weight: STRONG,
    },
    // Spanish
    ignore(&["ignora", "ignore ", "olvid", "desestim", "caso omiso", "omite"], r"(?:ignor(?:a|e|en|ar)|olvid(?:a|e|en|ar|ate|ese)|desestim[ae]|haz caso omiso|omite)(?: [^ ]+){0,4}? (?:instrucci[^ ]*|todo(?: lo| que|,|$)|anteriores|indicaci[^ ]*|reglas|órdenes|previas?|todo)"),
    reveal(&["instrucciones", "prompt del sistema", "prompt inicial"], r"(?:muestra|dime|revela|repite|escribe|dame|cuáles son|imprime|muéstrame)(?: [^ ]+){0,5}? (?:instrucciones (?:originales|iniciales|del sistema|anteriores)|tus instrucciones|prompt (?:del sistema|inicial|original)|indicaciones iniciales)"),
    // French
    ignore(&["ignore", "oubli", "tenez pas compte", "tiens pas compte", "tenir compte"], r"(?:ignore[rz]?|oublie[rz]?|ne (?:tenez|tiens) pas compte)(?: [^ ]+){0,4}? (?:instructions|consignes|précédent[^ ]*|directives|tout ce (?:que|qui)|règles|ci-dessus|la fonction et|le texte)"),
    reveal(&["instructions", "prompt syst", "consignes"], r"(?:montre|affiche|révèle|répète|donne|dis|quelles sont|écris)[^ ]*(?: [^ ]+){0,5}? (?:instructions (?:initiales|originales|système|d'origine)|(?:tes|vos) (?:instructions|consignes)|prompt (?:système|initial)|invite système)"),
    // Italian
    ignore(&["ignora", "dimentic", "trascura", "ignorate"], r"(?:ignora(?:te|re)?|dimentica(?:te|re|ti)?|trascura)(?: [^ ]+){0,4}? (?:istruzioni|precedent[^ ]*|tutto|regole|indicazioni|comandi)"),
    reveal(&["istruzioni", "prompt di sistema"], r"(?:mostra|dimmi|rivela|ripeti|scrivi|quali sono|stampa)[^ ]*(?: [^ ]+){0,5}? (?:istruzioni (?:originali|iniziali|di sistema)|tue istruzioni|prompt (?:di sistema|iniziale))"),
    // Portuguese
    ignore(&["ignore ", "ignorar", "esque", "desconsider"], r"(?:ignor(?:e|ar|em)|esque(?:ça|ce|cer|çam)|desconsider(?:e|ar))(?: [^ ]+){0,4}? (?:instruções|anteriores|tudo|regras|comandos|orientações)"),
    reveal(&["instruções", "prompt do sistema"], r"(?:mostre|mostra|diga|revele|repita|escreva|quais são|imprima)[^ ]*(?: [^ ]+){0,5}? (?:instruções (?:originais|iniciais|do sistema)|suas instruções|prompt (?:do sistema|inicial))"),
    // Dutch
    ignore(&["negeer", "vergeet"], r"(?:negeer|vergeet)(?: [^ ]+){0,4}? (?:instructies|vorige|voorgaande|bovenstaande|eerdere|alles|regels|opdrachten)"),
    reveal(&["instructies", "systeemprompt"], r"(?:toon|geef|vertel|herhaal|onthul|laat)(?: [^ ]+){0,5}? (?:(?:oorspronkelijke|originele|je|jouw) instructies|systeemprompt)"),
    // Polish
    ignore(&["ignoruj", "zapomnij", "pomiń"], r"(?:z?ignoruj|zapomnij|pomiń)(?: [^ ]+){0,4}? (?:instrukcj[^ ]*|poprzedni[^ ]*|powyższ[^ ]*|wszystk[^ ]*|polece[^ ]*|zasad[^ ]*|wcześniejsz[^ ]*)"),
    // Not to follow, in the Romance languages and Russian, whose capital N folds to the h it looks like
    ignore(&["no sigas", "no siga ", "no hagas caso", "ne suis pas", "ne suivez pas", "ne respecte", "non seguire", "non seguite", "não siga", " следуй", " выполняй"], r"(?:no sigas?|no hagas caso (?:a|de)|ne (?:suis|suivez|respectez?) (?:pas|plus)|non segui(?:re|te)|não sigas?|(?:не|he) (?:следуй|выполняй)(?:те)?)(?: [^ ]+){0,3}? (?:instrucci[^ ]*|indicaciones|reglas|instructions|consignes|règles|istruzioni|regole|instruções|regras|инструкци[^ ]*|указани[^ ]*|правил[^ ]*|команд[^ ]*)"),
    // Czech and Slovak
    ignore(&["ignoruj", "zapomeň", "zabudni"], r"(?:ignoruj|zapomeň|zabudni)[^ ]*(?: [^ ]+){0,4}? (?:instrukc[^ ]*|pokyn[^ ]*|předchoz[^ ]*|predchádz[^ ]*|vše|všetk[^ ]*|pravid[^ ]*)"),
    // Swedish, Danish, Norwegian
    ignore(&["ignorera", "ignorer ", "glöm", "glem ", "bortse", "se bort fra"], r"(?:ignorera|ignorer|glöm|glem|bortse från|se bort fra)(?: [^ ]+){0,4}? (?:instruktion[^ ]*|instruks[^ ]*|tidigare|tidligere|föregående|forrige|foregående|allt|alt|regler[^ ]*)"),
    // Croatian, Serbian, Bosnian, Slovene, Bulgarian
    ignore(&["zaboravi", "ignoriraj", "ignoriši", "zanemari", "pozabi", "забрави", "игнорирай", "занемари", "заборави"], r"(?:zaboravi[^ ]*|ignoriraj[^ ]*|ignoriši[^ ]*|zanemari[^ ]*|pozabi[^ ]*|забрави[^ ]*|игнорирай[^ ]*|занемари[^ ]*|заборави[^ ]*)(?: [^ ]+){0,4}? (?:instrukcij[^ ]*|uput[^ ]*|naredb[^ ]*|navodil[^ ]*|prethodn[^ ]*|prejšnj[^ ]*|pravil[^ ]*|sve|vse|инструкци[^ ]*|упутств[^ ]*|предишн[^ ]*|претходн[^ ]*|правила|всичко|све)"),
    // Finnish, Hungarian, Romanian, Turkish
    ignore(&["unohda", "ohita", "huomiotta", "älä välitä"], r"(?:unohda|ohita|jätä huomiotta|älä välitä)(?: [^ ]+){0,4}? (?:ohje[^ ]*|aiem[^ ]*|edelli[^ ]*|kaikki)"),
    ignore(&["figyelmen kívül", "felejts", "ignoráld"], r"(?:hagyd figyelmen kívül|felejts[^ ]* el|ignoráld)(?: [^ ]+){0,4}? (?:[^ ]*utasítás[^ ]*|korábbi[^ ]*|előző[^ ]*|szabály[^ ]*|minden[^ ]*)"),
    ignore(&["ignoră", "uită"], r"(?:ignor(?:ă|a|ați)|uit(?:ă|ați))(?: [^ ]+){0,4}? (?:instrucțiun[^ ]*|anterioare|tot ce|regulile|comenzile)"),
    ignore(&["yok say", "unut", "görmezden gel", "dikkate alma", "göz ardı"], r"(?:önceki|yukarıdaki|tüm|bütün)(?: [^ ]+){0,3}? (?:talimat[^ ]*|komut[^ ]*|kural[^ ]*|yönerge[^ ]*|her şey[^ ]*)(?: [^ ]+){0,2}? (?:yok say|unut|görmezden gel|dikkate alma|göz ardı)"),
    // Russian, Ukrainian, Greek
    ignore(&["игнорируй", "забудь", "не обращай внимания", "игнорировать"], r"(?:игнорируй[^ ]*|игнорировать|забудь[^ ]*|не обращай[^ ]* внимания на)(?: [^ ]+){0,4}? (?:инструкци[^ ]*|предыдущ[^ ]*|указани[^ ]*|все|всё|правила|команд[^ ]*|выше[^ ]*)"),
    reveal(&["инструкци", "системный промпт", "системн"], r"(?:покажи|выведи|раскрой|повтори|скажи|напиши|каковы)[^ ]*(?: [^ ]+){0,5}? (?:системн[^ ]* (?:промпт|инструкци|подсказк)[^ ]*|(?:свои|твои|ваши|исходные|начальные) инструкци[^ ]*)"),
    ignore(&["ігноруй", "ігноруйте", "забудь"], r"(?:[^ ]*ігноруй[^ ]*|забудь[^ ]*)(?: [^ ]+){0,4}? (?:інструкці[^ ]*|попередн[^ ]*|вказівк[^ ]*|правила|все)"),
    ignore(&["αγνόησε", "αγνοήστε", "ξέχασε", "ξεχάστε"], r"(?:αγνόησε|αγνοήστε|ξέχασε|ξεχάστε)(?: [^ ]+){0,4}? (?:οδηγίες|προηγούμεν[^ ]*|εντολές|κανόνες|όλα)"),
    // Vietnamese, Indonesian and Malay
    ignore(&["bỏ qua", "phớt lờ", "quên"], r"(?:bỏ qua|phớt lờ|quên)(?: [^ ]+){0,4}? (?:hướng dẫn|chỉ dẫn|chỉ thị|lệnh|quy tắc|trước)"),
    ignore(&["abaikan", "lupakan"], r"(?:abaikan|lupakan)(?: [^ ]+){0,4}? (?:instruksi|perintah|arahan|sebelum[^ ]*|semua|aturan|petunjuk)"),
    // Tagalog, Swahili
    ignore(&["balewalain", "huwag pansinin", "kalimutan", "puuza", "sahau"], r"(?:balewalain|huwag pansinin|kalimutan|puuza|sahau)(?: [^ ]+){0,4}? (?:tagubilin|panuto|utos|nauna[^ ]*|naunang|lahat|maagizo|maelekezo|yote|sheria|awali)"),
    // Chinese, Japanese, Korean
    ignore(&["忽略", "无视", "忽視", "無視", "忘记", "忘記", "不要理会", "忽视", "抛开", "忘掉"], r"(?:忽略|无视|忽視|無視|忘记|忘記|不要理会|忽视|抛开|忘掉)[^。，]{0,15}(?:指令|指示|说明|提示|规则|命令|设定|設定|要求|上文|限制|约束|對話|对话|规定|以上|之前|上面|所有内容)"),
    reveal(&["系统提示", "系統提示", "初始指令", "提示词", "提示詞", "你的指令"], r"(?:显示|告诉|输出|重复|打印|说出|透露|顯示|告訴|輸出|重複|列出|复述|写出)[^。，]{0,12}(?:系统提示|系統提示|初始指令|提示词|提示詞|你的指令|初始提示)"),
    ignore(&["無視", "忘れ"], r"(?:指示|命令|指令|ルール|プロンプト|制約|設定|以前|上記|これまで|制限)[^。]{0,15}(?:無視|忘れ)"),
    reveal(&["システムプロンプト", "初期指示", "プロンプト"], r"(?:システムプロンプト|初期(?:の)?指示|あなたへの指示)[^。]{0,12}(?:表示|教え|出力|見せ|繰り返)"),
    ignore(&["무시", "잊어", "잊으"], r"(?:지시|명령|규칙|지침|이전|프롬프트|위의|지금까지|앞의)[^.]{0,20}(?:무시|잊어|잊으)"),
    reveal(&["시스템 프롬프트", "프롬프트"], r"(?:시스템 프롬프트|초기 지시|너의 지시)[^.]{0,12}(?:보여|알려|출력|말해|반복)"),
    // Arabic, Persian, Hebrew, Hindi, Thai
    ignore(&["تجاهل", "انسى", "انس "], r"(?:تجاهل|انسى|انس)(?: [^ ]+){0,4}? (?:[^ ]*التعليمات|[^ ]*السابقة|الأوامر|القواعد|كل|جميع)"),
    ignore(&["نادیده بگیر", "فراموش کن"], r"(?:دستور[^ ]*|قبلی|قوانین|بالا)(?: [^ ]+){0,4}? (?:نادیده بگیر|فراموش کن)"),
    ignore(&["התעלם", "שכח"], r"(?:ה?תתעלם|התעלם|התעלמי|שכח)(?: [^ ]+){0,3}? (?:[^ ]*הוראות|[^ ]*קודמות|הכל|[^ ]*כללים)"),
    ignore(&["अनदेख", "नज़रअंदाज", "भूल जा", "उपेक्षा"], r"(?:निर्देश|पिछले|आदेश|नियम|ऊपर)[^।]{0,40}(?:अनदेख|नज़रअंदाज|भूल जा|उपेक्षा)"),
    ignore(&["উপেক্ষা", "ভুলে যা", "অগ্রাহ্য"], r"(?:নির্দেশ|আগের|পূর্ববর্তী|নিয়ম|আদেশ|উপরের)[^।]{0,40}(?:উপেক্ষা|ভুলে যা|অগ্রাহ্য)"),
    ignore(&["نظر انداز", "بھول جا"], r"(?:ہدایات|پچھلی|سابقہ|احکامات|قواعد|اوپر)[^۔]{0,40}(?:نظر انداز|بھول جا)"),
    ignore(&["เพิกเฉย", "ละเว้น", "ไม่สนใจ", "ลืม"], r"(?:เพิกเฉย|ละเว้น|ไม่สนใจ|ลืม)[^ ]{0,40} ?(?:คำสั่ง|คำแนะนำ|ก่อนหน้า|กฎ)"),
];

#![no_main]
//! A chat template and a prompt, parted by a zero.

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use w2s::decoder::DeviceChoice;
use w2s::library::{Library, Model};
use w2s::models::ModelSpec;
use w2s::template::Template;

thread_local! {
    static MODEL: RefCell<Model> = RefCell::new({
        let mut library = Library::open(DeviceChoice::Cpu).unwrap();
        library.model(&ModelSpec::parse("bundled:untuned")).unwrap()
    });
}

fuzz_target!(|texts: &str| {
    let (template, prompt) = texts.split_once('\0').unwrap_or((texts, "Hi"));
    MODEL.with_borrow_mut(|model| {
        model.chat_template = Some(template.into());
        if let Ok(shown) = Template::Chat.apply(model, prompt, Some("Be brief."), None) {
            let _ = model.try_text_ids(&shown, "");
        }
    });
});
